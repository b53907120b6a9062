// A bank in training: its weights in panels, and the passes over the data.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "kernels.hpp"
#include "team.hpp"

namespace monolayer {

// Zeros, aligned to a cache line.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t n = 0) : n_(n), data_(n ? allocate(n) : nullptr) {}
  T* get() const { return data_.get(); }
  size_t size() const { return n_; }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  struct Free {
    void operator()(T* memory) const { ::operator delete(memory, std::align_val_t(64)); }
  };
  static T* allocate(size_t n) { return new (::operator new(n * sizeof(T), std::align_val_t(64))) T[n](); }

  size_t n_;
  std::unique_ptr<T[], Free> data_;
};

// The description of a bank; arrays are copied.
struct Setup {
  size_t n_columns, n_members, n_classes, batch_size, n_shifts;
  const float* weights;  // (K * M, D)
  const float* bias;     // (K * M,)
  const double *mean, *std;
  std::vector<LossKind> losses;       // by member
  std::vector<std::int32_t> fold_of;  // by member
  const double* shifts;               // (folds, D) or null
  const double* slopes;               // (folds, D) or null
};

// One pass over training rows.
struct Epoch {
  Source source;
  Labels labels;
  const std::int64_t* starts;  // (batches + 1,): batch b has the places from starts[b] to starts[b + 1], exclusive
  size_t n_batches;
  const float *steps, *shrink;  // (batches, M)
  const float* factors;         // (folds, places), or null
};

// The gradient over rows, without a step.
struct Sums {
  float* losses;           // (M, n)
  std::uint8_t* correct;   // (M, n)
  float* by_weights;       // (K * M, D), summed over the rows
  double* by_bias;         // (K * M,)
};

class Engine {
 public:
  Engine(const Setup&, const Kernels&, size_t n_threads);

  void train(const Epoch&);
  // The gradient of every member at its current weights.
  void differentiate(const Source&, const Labels&, const Sums&);
  // (M, n) each.
  void measure(const Source&, const Labels&, float* losses, std::uint8_t* correct);
  // (M, n, K).
  void score(const Source&, float* scores);
  void read_weights(float* weights, float* bias) const;
  const Shape& shape() const { return shape_; }
  size_t n_threads() const { return team_.size(); }

 private:
  struct Part;  // of a batch
  class Pass;   // the work of a thread in an epoch
  template <class Finish>
  void evaluate(const Source&, const Finish& finish);
  Folds folds() const;
  Standard standard() const;
  Range slab(size_t number) const;
  size_t part_size() const { return shape_.capacity - shape_.n_shifts; }
  void run(const Epoch&, const std::vector<Part>&, const Sums*);
  void unpack(const float* panels, float* rows) const;
  void write_shifts(const Shape&, float* features) const;

  const Kernels& kernels_;
  Team team_;
  Shape shape_;
  size_t n_slabs_;
  std::vector<LossKind> losses_;
  std::vector<std::int32_t> fold_of_;
  Buffer<float> weights_, bias_, centre_, inverse_, rest_, shifts_, slopes_;
  Buffer<double> mean_, inverse_double_;
  Buffer<float> features_, parts_, residual_, gradient_;
};

}  // namespace monolayer
