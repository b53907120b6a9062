// The arithmetic, compiled once for each instruction set; MONOLAYER_ISA is its name and the namespace of this code.

#include "kernels.hpp"

#include <algorithm>

#include "vectors.hpp"

namespace monolayer::MONOLAYER_ISA {
namespace {

// AVX-512 and NEON have 32 registers, the others 16: with 32, each load serves twice the rows (scores) or columns
// (gradient).
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int WIDTH = 4;
#else
constexpr int WIDTH = 2;
#endif

// ---- Features to standardised floats -------------------------------------------------------------------------------

template <class Feature>
inline void convert(const Feature* from, const Standard& standard, size_t column, float scale, size_t count, float* to) {
  for (size_t i = 0; i < count; i += LANES) {
    const Vec centred = widen(from + i) * scale - load(standard.centre + column + i);
    store(to + i, centred * load(standard.inverse + column + i) + load(standard.rest + column + i));
  }
}

inline void convert(const double* from, const Standard& standard, size_t column, float scale, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i)
    to[i] = static_cast<float>((from[i] * scale - standard.mean[column + i]) * standard.inverse_double[column + i]);
}

// `count` features from a column on, made contiguous: of strided or mirrored rows, or of fewer than a panel.
template <class Feature>
inline void gather(const Source& source, const char* row, bool is_mirrored, size_t column, size_t count, Feature* to) {
  if (!is_mirrored) {
    for (size_t i = 0; i < count; ++i)
      std::memcpy(to + i, row + static_cast<std::ptrdiff_t>(column + i) * source.column_stride, sizeof(Feature));
    return;
  }
  // Line by line, reversed; a panel may begin and end within a line.
  for (size_t i = 0; i < count;) {
    const size_t in_line = (column + i) % source.width, n = std::min(count - i, source.width - in_line);
    const size_t mirror = column + i - in_line + (source.width - 1 - in_line);
    if (source.column_stride == sizeof(Feature)) {
      const char* end = row + mirror * sizeof(Feature);
      for (size_t j = 0; j < n; ++j) std::memcpy(to + i + j, end - j * sizeof(Feature), sizeof(Feature));
    } else {
      for (size_t j = 0; j < n; ++j)
        std::memcpy(to + i + j, row + static_cast<std::ptrdiff_t>(mirror - j) * source.column_stride, sizeof(Feature));
    }
    i += n;
  }
}

// Panel by panel, so that writes are contiguous. The same panel of the row `ahead` is prefetched, or, if that is 0, the
// next panel of the row itself: the gradient prefetched it, but part of it may have been evicted.
template <class Feature>
void pack_as(const Source& source, const Standard& standard, const Shape& shape, Range panels, Range places,
             size_t ahead, float* features) {
  alignas(64) Feature scratch[PANEL] = {};
  const bool is_dense = source.column_stride == sizeof(Feature);
  for (size_t panel = panels.first; panel < panels.last; ++panel) {
    const size_t column = panel * PANEL, count = std::min(PANEL, shape.n_columns - column);
    const size_t padded = shape.count_columns(panel);
    float* to = features + (panel * shape.capacity + shape.n_shifts) * PANEL;
    std::fill(scratch + count, scratch + PANEL, Feature{});
    for (size_t place = places.first; place < places.last; ++place, to += PANEL) {
      const char* row = source.find_row(place);
      const char* from = row + static_cast<std::ptrdiff_t>(column) * source.column_stride;
      if (ahead && place + ahead < source.n && is_dense) {
        const char* next = source.find_row(place + ahead) + column * sizeof(Feature);
        for (size_t i = 0; i < count * sizeof(Feature); i += 64) __builtin_prefetch(next + i);
      }
      if (!ahead && is_dense && panel + 1 < panels.last) {
        const char* next = from + PANEL * sizeof(Feature);
        for (size_t i = 0; i < PANEL * sizeof(Feature); i += 64) __builtin_prefetch(next + i);
      }
      const bool is_mirrored = source.mirrored && source.mirrored[place];
      if (!is_dense || is_mirrored || count < PANEL || reinterpret_cast<std::uintptr_t>(from) % alignof(Feature)) {
        gather(source, row, is_mirrored, column, count, scratch);
        from = reinterpret_cast<const char*>(scratch);
      }
      const float scale = source.scales ? source.scales[place] : 1.0f;
      convert(reinterpret_cast<const Feature*>(from), standard, column, scale, padded, to);
    }
  }
}

void pack(const Source& source, const Standard& standard, const Shape& shape, Range panels, Range places, size_t ahead,
          float* features) {
  switch (source.kind) {
    case Kind::u8: return pack_as<std::uint8_t>(source, standard, shape, panels, places, ahead, features);
    case Kind::f16: return pack_as<std::uint16_t>(source, standard, shape, panels, places, ahead, features);
    case Kind::f32: return pack_as<float>(source, standard, shape, panels, places, ahead, features);
    case Kind::f64: return pack_as<double>(source, standard, shape, panels, places, ahead, features);
  }
}

// ---- Scores: sums over columns -------------------------------------------------------------------------------------

// C rows of weights with R rows of features. Both pointers are at their first panel.
template <int C, int R>
void multiply(const Shape& shape, Range panels, const float* weights, const float* features, float* scores) {
  Vec sums[C][R] = {};
  for (size_t panel = panels.first; panel < panels.last; ++panel) {
    const size_t count = shape.count_columns(panel);
    for (size_t i = 0; i < count; i += LANES) {
      Vec z[R];
      for (int r = 0; r < R; ++r) z[r] = load(features + r * PANEL + i);
      for (int c = 0; c < C; ++c) {
        const Vec w = load(weights + c * PANEL + i);
        for (int r = 0; r < R; ++r) sums[c][r] += w * z[r];
      }
    }
    weights += shape.n_weights * PANEL;
    features += shape.capacity * PANEL;
  }
  for (int c = 0; c < C; ++c) add_lanes<R>(sums[c], scores + c * shape.row_stride);
}

template <int C>
void multiply_rows(const Shape& shape, Range panels, size_t n_rows, const float* weights, const float* features,
                   float* scores) {
  size_t row = 0;
  for (; row + WIDTH <= n_rows; row += WIDTH)
    multiply<C, WIDTH>(shape, panels, weights, features + row * PANEL, scores + row);
  for (; row < n_rows; ++row) multiply<C, 1>(shape, panels, weights, features + row * PANEL, scores + row);
}

// A tile of weights stays in L1 while it is multiplied with all rows of the batch, which are in L2.
void forward(const Shape& shape, Range panels, size_t n_rows, const float* weights, const float* features,
             float* scores) {
  weights += panels.first * shape.n_weights * PANEL;
  features += panels.first * shape.capacity * PANEL;
  for (size_t c = 0; c < shape.n_weights; c += TILE) {
    const float* w = weights + c * PANEL;
    float* to = scores + c * shape.row_stride;
    switch (std::min(TILE, shape.n_weights - c)) {
      case 1: multiply_rows<1>(shape, panels, n_rows, w, features, to); break;
      case 2: multiply_rows<2>(shape, panels, n_rows, w, features, to); break;
      case 3: multiply_rows<3>(shape, panels, n_rows, w, features, to); break;
      case 4: multiply_rows<4>(shape, panels, n_rows, w, features, to); break;
      default: multiply_rows<TILE>(shape, panels, n_rows, w, features, to);
    }
  }
}

// ---- Gradient and step: sums over the rows of the batch ------------------------------------------------------------

// The destination of a tile's gradient.
struct Target {
  const Step& step;
  const float *shifts[TILE], *slopes[TILE];  // at the panel's first column, of each row's fold; null: none
  float shrink[TILE];
  size_t row_stride;  // of the residual
  const double* sums;
  float *gradient, *weights;  // of the tile's first row, at the panel's first column
};

// Cache lines of the next part's rows that begin in a range of columns.
struct Lines {
  const char* const* rows;
  size_t first, n;  // bytes from the row's start, and how many lines from there
};

Lines find_lines(const Upcoming& upcoming, size_t column, size_t n_columns) {
  const size_t first = (column * upcoming.size + 63) / 64 * 64, end = (column + n_columns) * upcoming.size;
  return {upcoming.rows, first, first < end ? (end - first + 63) / 64 : 0};
}

// C rows of weights, V vectors of columns from column i of the panel on.
template <int C, int V, bool FETCHES>
void collect(size_t n_rows, const float* residual, const float* features, size_t i, const Target& target,
             const Lines& lines) {
  Vec sums[C][V] = {};
  const float *z = features + i, *residuals[C];
  for (int c = 0; c < C; ++c) residuals[c] = residual + c * target.row_stride;
  for (size_t row = 0; row < n_rows; ++row, z += PANEL) {
    if constexpr (FETCHES)
      for (size_t line = 0; line < lines.n; ++line)
        __builtin_prefetch(lines.rows[row] + lines.first + 64 * line, 0, 2);  // into L2, since L1 is full
    Vec x[V];
    for (int v = 0; v < V; ++v) x[v] = load(z + v * LANES);
    for (int c = 0; c < C; ++c)
      for (int v = 0; v < V; ++v) sums[c][v] += residuals[c][row] * x[v];
  }
  for (int c = 0; c < C; ++c)
    for (int v = 0; v < V; ++v) {
      const size_t column = i + v * LANES, place = c * PANEL + column;
      Vec gradient = sums[c][v];
      if (target.shifts[c]) gradient += static_cast<float>(target.sums[c]) * load(target.shifts[c] + column);
      if (target.slopes[c]) gradient *= load(target.slopes[c] + column);
      if (!target.step.is_first) gradient += load(target.gradient + place);
      if (target.step.is_last)
        store(target.weights + place, load(target.weights + place) * target.shrink[c] - gradient);
      else
        store(target.gradient + place, gradient);
    }
}

template <int C, bool FETCHES>
void collect_panel(size_t n_rows, size_t column, size_t n_columns, const float* residual, const float* features,
                   const Target& target, const Upcoming& upcoming) {
  constexpr size_t STRIDE = WIDTH * LANES;
  size_t i = 0;
  for (; i + STRIDE <= n_columns; i += STRIDE)
    collect<C, WIDTH, FETCHES>(n_rows, residual, features, i, target, find_lines(upcoming, column + i, STRIDE));
  for (; i < n_columns; i += LANES)
    collect<C, 1, FETCHES>(n_rows, residual, features, i, target, find_lines(upcoming, column + i, LANES));
}

Target aim(const Shape& shape, const Folds& folds, const Step& step, size_t panel, size_t c) {
  Target target{step, {}, {}, {}, shape.row_stride, nullptr, nullptr, nullptr};
  for (size_t i = 0; i < std::min(TILE, shape.n_weights - c); ++i) {
    const size_t member = (c + i) % shape.n_members;
    const size_t at = (folds.fold_of[member] * shape.n_panels + panel) * PANEL;
    target.shifts[i] = folds.shifts ? folds.shifts + at : nullptr;
    target.slopes[i] = folds.slopes ? folds.slopes + at : nullptr;
    target.shrink[i] = step.shrink[member];
  }
  return target;
}

template <bool FETCHES>
void collect_tile(const Shape& shape, size_t n_rows, size_t panel, size_t c, const float* residual,
                  const float* features, const Target& target, const Upcoming& upcoming) {
  const size_t column = panel * PANEL, count = shape.count_columns(panel);
  switch (std::min(TILE, shape.n_weights - c)) {
    case 1: return collect_panel<1, FETCHES>(n_rows, column, count, residual, features, target, upcoming);
    case 2: return collect_panel<2, FETCHES>(n_rows, column, count, residual, features, target, upcoming);
    case 3: return collect_panel<3, FETCHES>(n_rows, column, count, residual, features, target, upcoming);
    case 4: return collect_panel<4, FETCHES>(n_rows, column, count, residual, features, target, upcoming);
    default: return collect_panel<TILE, FETCHES>(n_rows, column, count, residual, features, target, upcoming);
  }
}

// A panel of the batch stays in L1 while it is multiplied with all rows of weights; each of these is read and written
// once per step. Rows of the next part are scattered in memory, which the hardware prefetcher cannot predict, so they
// are prefetched here one by one while the first tile is computed.
void backward(const Shape& shape, const Folds& folds, Range panels, size_t n_rows, const Step& step,
              const float* residual, const double* sums, const Upcoming& upcoming, const float* features,
              float* gradient, float* weights) {
  for (size_t panel = panels.first; panel < panels.last; ++panel) {
    const float* z = features + (panel * shape.capacity + shape.n_shifts) * PANEL;
    for (size_t c = 0; c < shape.n_weights; c += TILE) {
      const size_t place = (panel * shape.n_weights + c) * PANEL;
      Target target = aim(shape, folds, step, panel, c);
      target.sums = sums + c;
      target.gradient = gradient ? gradient + place : nullptr;
      target.weights = weights + place;
      const float* of_tile = residual + c * shape.row_stride;
      if (c == 0 && upcoming.rows)
        collect_tile<true>(shape, n_rows, panel, c, of_tile, z, target, upcoming);
      else
        collect_tile<false>(shape, n_rows, panel, c, of_tile, z, target, upcoming);
    }
  }
}

// ---- The losses ----------------------------------------------------------------------------------------------------

// Scores of LANES rows of a member from this row on, one vector per class. Padding is computed and not used.
void read_scores(const Shape& shape, const Folds& folds, const Scores& scores, size_t member, size_t row, Vec* to) {
  const size_t slab = shape.n_weights * shape.row_stride;
  for (size_t k = 0; k < shape.n_classes; ++k) {
    const size_t c = k * shape.n_members + member;
    const float* part = scores.parts + c * shape.row_stride;
    float constant = scores.bias[c];
    if (folds.shifts)
      for (size_t s = 0; s < scores.n_slabs; ++s) constant += part[s * slab + folds.fold_of[member]];
    Vec sum = load(part + shape.n_shifts + row);
    for (size_t s = 1; s < scores.n_slabs; ++s) sum += load(part + s * slab + shape.n_shifts + row);
    to[k] = sum + constant;
  }
}

// scores -> exp(score - max) in place; (max, sum).
struct Softmax {
  Vec top, sum;
};

Softmax exponentiate(Vec* scores, size_t n_classes) {
  Softmax found{scores[0], Vec{}};
  // A NaN must not be lost in a comparison: its exponential adds it to the sum.
  for (size_t k = 1; k < n_classes; ++k) found.top = maximum(found.top, scores[k]);
  for (size_t k = 0; k < n_classes; ++k) {
    scores[k] = exponential(scores[k] - found.top);
    found.sum += scores[k];
  }
  return found;
}

void subtract_labels(const Shape& shape, const Labels& labels, size_t place, size_t n, float* values) {
  for (size_t i = 0; i < n; ++i) {
    if (labels.classes)
      values[labels.classes[place + i] * LANES + i] -= 1.0f;
    else
      for (size_t k = 0; k < shape.n_classes; ++k)
        values[k * LANES + i] -= labels.targets[(place + i) * shape.n_classes + k];
  }
}

void differentiate(const Shape& shape, LossKind loss, const Labels& labels, size_t place, size_t n, Vec* values) {
  if (loss == LossKind::cross_entropy) {
    const Vec sum = exponentiate(values, shape.n_classes).sum;
    for (size_t k = 0; k < shape.n_classes; ++k) values[k] /= sum;
  } else {
    for (size_t k = 0; k < shape.n_classes; ++k) values[k] = 1.0f / (1.0f + exponential(-values[k]));
  }
  subtract_labels(shape, labels, place, n, reinterpret_cast<float*>(values));
  if (loss == LossKind::multiple_bce)
    for (size_t k = 0; k < shape.n_classes; ++k) values[k] *= 1.0f / static_cast<float>(shape.n_classes);
}

void compute_residual(const Shape& shape, const Folds& folds, const LossKind* losses, const Scores& scores,
                      const Labels& labels, const Step& step, Range rows, size_t place, float* scratch,
                      float* residual) {
  Vec* values = reinterpret_cast<Vec*>(scratch);
  for (size_t member = 0; member < shape.n_members; ++member) {
    const float* factors = step.factors ? step.factors + folds.fold_of[member] * step.factor_stride : nullptr;
    for (size_t row = rows.first; row < rows.last; row += LANES) {
      const size_t n = std::min<size_t>(LANES, rows.last - row);
      read_scores(shape, folds, scores, member, row, values);
      differentiate(shape, losses[member], labels, place + row, n, values);
      Vec factor = spread(step.steps[member]);
      if (factors)
        for (size_t i = 0; i < n; ++i) factor[i] *= factors[place + row + i];
      for (size_t k = 0; k < shape.n_classes; ++k)
        store(residual + (k * shape.n_members + member) * shape.row_stride + row, values[k] * factor);
    }
  }
}

// Loss of LANES rows; the scores are overwritten.
Vec compute_losses(const Shape& shape, LossKind loss, const Labels& labels, size_t place, size_t n, Vec* scores) {
  float* values = reinterpret_cast<float*>(scores);
  Vec own{};
  if (loss == LossKind::cross_entropy) {
    for (size_t i = 0; i < n; ++i) own[i] = values[labels.classes[place + i] * LANES + i];
    const Softmax softmax = exponentiate(scores, shape.n_classes);
    return logarithm(softmax.sum) + (softmax.top - own);  // this order preserves the digits of a small loss
  }
  for (size_t i = 0; i < n; ++i) {  // the label's score changes its sign: every class adds log(1 + exp(s))
    if (labels.classes)
      values[labels.classes[place + i] * LANES + i] *= -1.0f;
    else
      for (size_t k = 0; k < shape.n_classes; ++k)
        if (labels.targets[(place + i) * shape.n_classes + k]) values[k * LANES + i] *= -1.0f;
  }
  for (size_t k = 0; k < shape.n_classes; ++k) {
    const Vec s = scores[k], positive = s < 0.0f ? Vec{} : s;
    own += positive + logarithm_of_one_plus(exponential(s < 0.0f ? s : -s));
  }
  return own * (1.0f / static_cast<float>(shape.n_classes));
}

// Which of LANES rows are correct (not 0). As in NumPy's argmax, the first of equal scores is the highest, and a NaN is
// higher than all.
Ints find_right(const Shape& shape, const Labels& labels, size_t place, size_t n, const Vec* scores) {
  Ints wrong{}, label{};
  Vec own{};
  if (labels.targets) {
    for (size_t k = 0; k < shape.n_classes; ++k)
      for (size_t i = 0; i < n; ++i)
        wrong[i] |= (scores[k][i] > 0) != (labels.targets[(place + i) * shape.n_classes + k] != 0);
    return wrong == 0;
  }
  for (size_t i = 0; i < n; ++i) {
    label[i] = static_cast<std::int32_t>(labels.classes[place + i]);
    own[i] = scores[label[i]][i];
  }
  const Ints is_lost = own != own;
  for (size_t k = 0; k < shape.n_classes; ++k) {
    const Ints nan = scores[k] != scores[k], comes_before = static_cast<std::int32_t>(k) < label;
    wrong |= (scores[k] > own) | (nan & ~is_lost) | (comes_before & ((scores[k] == own) | nan));
  }
  return wrong == 0;
}

void measure(const Shape& shape, const Folds& folds, const LossKind* kinds, const Scores& scores, const Labels& labels,
             Range rows, size_t place, size_t n_all, float* scratch, float* losses, std::uint8_t* correct) {
  Vec* values = reinterpret_cast<Vec*>(scratch);
  for (size_t member = 0; member < shape.n_members; ++member)
    for (size_t row = rows.first; row < rows.last; row += LANES) {
      const size_t n = std::min<size_t>(LANES, rows.last - row), at = member * n_all + place + row;
      read_scores(shape, folds, scores, member, row, values);
      const Ints right = find_right(shape, labels, place + row, n, values);
      for (size_t i = 0; i < n; ++i) correct[at + i] = right[i] != 0;
      const Vec found = compute_losses(shape, kinds[member], labels, place + row, n, values);
      for (size_t i = 0; i < n; ++i) losses[at + i] = found[i];
    }
}

void write_scores(const Shape& shape, const Folds& folds, const Scores& scores, Range rows, size_t place, size_t n_all,
                  float* scratch, float* out) {
  Vec* values = reinterpret_cast<Vec*>(scratch);
  for (size_t member = 0; member < shape.n_members; ++member)
    for (size_t row = rows.first; row < rows.last; row += LANES) {
      read_scores(shape, folds, scores, member, row, values);
      for (size_t i = 0; i < std::min<size_t>(LANES, rows.last - row); ++i)
        for (size_t k = 0; k < shape.n_classes; ++k)
          out[(member * n_all + place + row + i) * shape.n_classes + k] = values[k][i];
    }
}

#define MONOLAYER_TEXT_OF(name) #name
#define MONOLAYER_TEXT(name) MONOLAYER_TEXT_OF(name)

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {MONOLAYER_TEXT(MONOLAYER_ISA), pack,     forward, compute_residual, backward, measure,
                         write_scores};

}  // namespace monolayer::MONOLAYER_ISA
