// The interface of the kernels, which are compiled for each instruction set, and the layout of their arguments.
//
// Columns (dimensions) are grouped into panels of PANEL. Features and weights are stored by panel, then by row:
//
//   features  z[panel][row of the batch][PANEL]     weights  w[panel][row of weights][PANEL]
//
// so both products read memory in order: scores sum over columns, the gradient over the rows of the batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace monolayer {

using std::size_t;

// A row of a panel is 256 bytes, four cache lines. A batch of 100 has 25 KiB per panel, which stays in an L1 cache of
// 32 KiB while it is multiplied with every row of weights for the gradient.
constexpr size_t PANEL = 64;
// Rows of weights that are computed at once. 5 of them with 2 vectors of features fill the 16 registers of AVX2 (10 sums
// and what is loaded), and two such tiles are CIFAR-10's ten classes.
constexpr size_t TILE = 5;
// Rows of scores are padded to the widest vector.
constexpr size_t ROW_ALIGN = 16;

enum class Kind { u8, f16, f32, f64 };
inline size_t count_bytes(Kind kind) { return kind == Kind::u8 ? 1 : kind == Kind::f16 ? 2 : kind == Kind::f32 ? 4 : 8; }
enum class LossKind : std::uint8_t { cross_entropy, multiple_bce };

// Features, and the order and the form in which they are read. Strides are in bytes.
struct Source {
  const char* data;
  Kind kind;
  std::ptrdiff_t row_stride, column_stride;
  const std::int64_t* order;     // rows of the array, by place; null: in their order
  const std::uint8_t* mirrored;  // by place; null: none is
  const float* scales;           // by place, a factor of the row before scaling; null: 1
  size_t width;                  // of an image's line, which a mirrored row reverses
  size_t n;                      // places

  const char* find_row(size_t place) const {
    return data + (order ? order[place] : static_cast<std::int64_t>(place)) * row_stride;
  }
};

// The rows of the next part, to be prefetched: as many as there are rows in this one; null: none.
struct Upcoming {
  const char* const* rows;
  size_t size;  // bytes of a feature
};

// z = (x - centre) * inverse + rest: the centre is the mean in float32, the rest its rounding error. 0 in padding.
struct Standard {
  const float *centre, *inverse, *rest;
  const double *mean, *inverse_double;  // for features of type double
};

struct Range {
  size_t first, last;  // excluding the last
  size_t size() const { return last - first; }
};

// The layout of features, weights and scores.
struct Shape {
  size_t n_columns;   // D
  size_t n_panels;    // ceil(D / PANEL)
  size_t n_weights;   // rows of weights, K * M; row k * M + m is class k of member m
  size_t n_members;   // M
  size_t n_classes;   // K
  size_t n_shifts;    // rows before those of the batch: the mean of each fold, see Folds
  size_t capacity;    // rows of features that a panel can store
  size_t row_stride;  // of scores: capacity, padded

  // Columns of a panel in use: the last panel may have fewer.
  size_t count_columns(size_t panel) const {
    const size_t left = n_columns - panel * PANEL, padded = (left + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
    return padded < PANEL ? padded : PANEL;
  }
};

// A scaler for each member. Features are standardised with the bank's scaler; a member with another mean adds W * shift
// to its scores, and its gradient has the shift times the sum of the residuals, and a slope.
struct Folds {
  const std::int32_t* fold_of;  // by member
  const float* shifts;          // [fold][padded columns]; null: all have the bank's scaler
  const float* slopes;          // the same shape; null: 1
};

// Scores of the rows of a batch: the sum over the slabs of columns, plus the bias.
struct Scores {
  const float* parts;  // [slab][row of weights][row_stride]
  size_t n_slabs;
  const float* bias;
};

struct Labels {
  const std::int64_t* classes;  // by place; or
  const std::uint8_t* targets;  // (n, K) by place, 0 or 1
};

// One step: the factors of the residuals, and of the weights (their shrinking by l2).
struct Step {
  const float* steps;      // by member
  const float* shrink;     // by member
  const float* factors;    // [fold][factor_stride] by place; null: 1
  size_t factor_stride;
  bool is_first, is_last;  // part of its batch; the gradient is complete after the last
};

struct Kernels {
  const char* name;
  // Features of these places, standardised, into the panels of a range; rows `ahead` places later are prefetched.
  void (*pack)(const Source&, const Standard&, const Shape&, Range panels, Range places, size_t ahead, float* features);
  // Scores of rows 0 to n_rows of the features, by these panels only: scores[row of weights][row_stride].
  void (*forward)(const Shape&, Range panels, size_t n_rows, const float* weights, const float* features, float* scores);
  // Residuals of rows of a batch, times the step, [row of weights][row_stride]; place is that of row 0.
  void (*compute_residual)(const Shape&, const Folds&, const LossKind*, const Scores&, const Labels&, const Step&,
                           Range rows, size_t place, float* scratch, float* residual);
  // Update the weights of these panels, or accumulate the gradient if the batch has several parts.
  void (*backward)(const Shape&, const Folds&, Range panels, size_t n_rows, const Step&, const float* residual,
                   const double* sums, const Upcoming&, const float* features, float* gradient, float* weights);
  // Loss and correctness of these rows, [member][n]; place is that of row 0.
  void (*measure)(const Shape&, const Folds&, const LossKind*, const Scores&, const Labels&, Range rows, size_t place,
                  size_t n, float* scratch, float* losses, std::uint8_t* correct);
  // Scores themselves, [member][n][class].
  void (*write_scores)(const Shape&, const Folds&, const Scores&, Range rows, size_t place, size_t n, float* scratch,
                       float* out);
};

// The kernels that this processor supports, best first; there is always one.
const std::vector<const Kernels*>& list_kernels();

}  // namespace monolayer
