#include "engine.hpp"

#include <algorithm>
#include <numeric>

namespace monolayer {
namespace {

// The columns are divided into slabs. A thread owns some of them (weights, gradient and features); only scores are
// exchanged, twice per step. The slabs, and so all sums, are the same for any number of threads. There are at most
// four, of at least eight panels: the fewer columns a sum has, the larger the share of time for adding up its lanes.
constexpr size_t MOST_SLABS = 4, PANELS_IN_A_SLAB = 8;
// A larger batch is processed in parts of this many rows, with one step after the last, to bound the memory.
constexpr size_t PART = 512;
// Rows that a thread evaluates at once: with CIFAR-10's 3,072 columns they are 768 KiB of floats, which fit into L2.
constexpr size_t EVALUATED = 64;

size_t pad(size_t n, size_t to) { return (n + to - 1) / to * to; }

Shape give_room(Shape shape, size_t n_rows) {
  shape.capacity = shape.n_shifts + n_rows;
  shape.row_stride = pad(shape.n_shifts + pad(n_rows, ROW_ALIGN), ROW_ALIGN);
  return shape;
}

Shape make_shape(const Setup& setup) {
  Shape shape{};
  shape.n_columns = setup.n_columns;
  shape.n_panels = pad(setup.n_columns, PANEL) / PANEL;
  shape.n_weights = setup.n_members * setup.n_classes;
  shape.n_members = setup.n_members;
  shape.n_classes = setup.n_classes;
  shape.n_shifts = setup.n_shifts;
  return give_room(shape, std::min(setup.batch_size, PART));
}

Range share(size_t n, size_t number, size_t n_shares) { return {n * number / n_shares, n * (number + 1) / n_shares}; }

Buffer<float> copy(const double* from, size_t n_rows, size_t n_columns, size_t padded) {
  Buffer<float> to(n_rows * padded);
  for (size_t row = 0; row < n_rows; ++row)
    for (size_t i = 0; i < n_columns; ++i) to[row * padded + i] = static_cast<float>(from[row * n_columns + i]);
  return to;
}

}  // namespace

Engine::Engine(const Setup& setup, const Kernels& kernels, size_t n_threads)
    : kernels_(kernels),
      team_(n_threads),
      shape_(make_shape(setup)),
      n_slabs_(std::clamp<size_t>(shape_.n_panels / PANELS_IN_A_SLAB, 1, MOST_SLABS)),
      losses_(setup.losses),
      fold_of_(setup.fold_of),
      weights_(shape_.n_panels * shape_.n_weights * PANEL),
      bias_(shape_.n_weights),
      centre_(shape_.n_panels * PANEL),
      inverse_(shape_.n_panels * PANEL),
      rest_(shape_.n_panels * PANEL),
      mean_(shape_.n_panels * PANEL),
      inverse_double_(shape_.n_panels * PANEL),
      features_(shape_.n_panels * shape_.capacity * PANEL),
      parts_(n_slabs_ * shape_.n_weights * shape_.row_stride),
      residual_(shape_.n_weights * shape_.row_stride),
      gradient_(setup.batch_size > PART ? weights_.size() : 0) {
  for (size_t c = 0; c < shape_.n_weights; ++c) {
    bias_[c] = setup.bias[c];
    for (size_t i = 0; i < shape_.n_columns; ++i)
      weights_[(i / PANEL * shape_.n_weights + c) * PANEL + i % PANEL] = setup.weights[c * shape_.n_columns + i];
  }
  for (size_t i = 0; i < shape_.n_columns; ++i) {
    mean_[i] = setup.mean[i];
    inverse_double_[i] = 1 / setup.std[i];
    centre_[i] = static_cast<float>(mean_[i]);
    inverse_[i] = static_cast<float>(inverse_double_[i]);
    rest_[i] = static_cast<float>((static_cast<double>(centre_[i]) - mean_[i]) * inverse_double_[i]);
  }
  const size_t padded = shape_.n_panels * PANEL;
  if (setup.shifts) shifts_ = copy(setup.shifts, shape_.n_shifts, shape_.n_columns, padded);
  if (setup.slopes) slopes_ = copy(setup.slopes, shape_.n_shifts, shape_.n_columns, padded);
  write_shifts(shape_, features_.get());
}

void Engine::read_weights(float* weights, float* bias) const {
  std::copy_n(bias_.get(), shape_.n_weights, bias);
  unpack(weights_.get(), weights);
}

void Engine::unpack(const float* panels, float* rows) const {
  for (size_t c = 0; c < shape_.n_weights; ++c)
    for (size_t i = 0; i < shape_.n_columns; ++i)
      rows[c * shape_.n_columns + i] = panels[(i / PANEL * shape_.n_weights + c) * PANEL + i % PANEL];
}

Folds Engine::folds() const { return {fold_of_.data(), shifts_.get(), slopes_.get()}; }

Standard Engine::standard() const {
  return {centre_.get(), inverse_.get(), rest_.get(), mean_.get(), inverse_double_.get()};
}

Range Engine::slab(size_t number) const { return share(shape_.n_panels, number, n_slabs_); }

// The shifts of the folds are the first rows of every batch: their scores are what a member adds for its mean.
void Engine::write_shifts(const Shape& shape, float* features) const {
  for (size_t panel = 0; panel < shape.n_panels; ++panel)
    for (size_t fold = 0; fold < shape.n_shifts; ++fold)
      std::copy_n(shifts_.get() + (fold * shape.n_panels + panel) * PANEL, PANEL,
                  features + (panel * shape.capacity + fold) * PANEL);
}

// ---- Training ------------------------------------------------------------------------------------------------------

struct Engine::Part {
  Range places;
  size_t batch;
  bool is_first, is_last;
};

// For each part: scores of its slabs, barrier, residuals of some rows, barrier, gradient and step of its slabs. Then it
// continues with the features and scores of the next part: between two barriers a thread is independent.
class Engine::Pass {
 public:
  Pass(Engine& engine, const Epoch& epoch, const std::vector<Part>& parts, const Sums* sums, size_t number,
       size_t n_threads)
      : engine_(engine),
        shape_(engine.shape_),
        epoch_(epoch),
        parts_(parts),
        wanted_(sums),
        number_(number),
        n_threads_(n_threads),
        slabs_(share(engine.n_slabs_, number, n_threads)),
        scratch_(shape_.n_classes * ROW_ALIGN),
        sums_(shape_.n_weights),
        total_(shape_.n_weights),
        upcoming_(shape_.capacity) {}

  void run() {
    if (!parts_.empty()) go_forward(parts_[0]);
    for (size_t i = 0; i < parts_.size(); ++i) {
      engine_.team_.meet();
      differentiate(parts_[i]);
      engine_.team_.meet();
      go_back(parts_[i], i + 1 < parts_.size() ? &parts_[i + 1] : nullptr);
      if (i + 1 < parts_.size()) go_forward(parts_[i + 1]);
    }
  }

 private:
  void go_forward(const Part& part) {
    for (size_t number = slabs_.first; number < slabs_.last; ++number) {
      const Range panels = engine_.slab(number);
      float* features = engine_.features_.get();
      engine_.kernels_.pack(epoch_.source, engine_.standard(), shape_, panels, part.places, 0, features);
      engine_.kernels_.forward(shape_, panels, shape_.n_shifts + part.places.size(), engine_.weights_.get(), features,
                               engine_.parts_.get() + number * shape_.n_weights * shape_.row_stride);
    }
  }

  void differentiate(const Part& part) {
    const Scores scores{engine_.parts_.get(), engine_.n_slabs_, engine_.bias_.get()};
    const size_t n = part.places.size(), lots = pad(n, ROW_ALIGN) / ROW_ALIGN, place = part.places.first;
    const Range share_of_lots = share(lots, number_, n_threads_);
    const Range own{share_of_lots.first * ROW_ALIGN, std::min(n, share_of_lots.last * ROW_ALIGN)};
    engine_.kernels_.compute_residual(shape_, engine_.folds(), engine_.losses_.data(), scores, epoch_.labels,
                                      make_step(part), own, place, scratch_.get(), engine_.residual_.get());
    if (wanted_)
      engine_.kernels_.measure(shape_, engine_.folds(), engine_.losses_.data(), scores, epoch_.labels, own, place,
                               epoch_.source.n, scratch_.get(), wanted_->losses, wanted_->correct);
  }

  void go_back(const Part& part, const Part* next) {
    // The first thread updates the bias. A shift needs the sums too; then each thread computes them for itself.
    if (number_ == 0 || engine_.shifts_.get()) sum_residuals(part.places.size());
    for (size_t number = slabs_.first; number < slabs_.last; ++number)
      engine_.kernels_.backward(shape_, engine_.folds(), engine_.slab(number), part.places.size(), make_step(part),
                                engine_.residual_.get(), sums_.get(), find_upcoming(part, next),
                                engine_.features_.get(), engine_.gradient_.get(), engine_.weights_.get());
    if (number_ == 0) step_bias(part);
  }

  Upcoming find_upcoming(const Part& part, const Part* next) {
    if (!next) return {nullptr, 0};
    for (size_t i = 0; i < part.places.size(); ++i)
      upcoming_[i] = epoch_.source.find_row(std::min(next->places.first + i, next->places.last - 1));
    return {upcoming_.get(), count_bytes(epoch_.source.kind)};
  }

  void sum_residuals(size_t n) {
    for (size_t c = 0; c < shape_.n_weights; ++c) {
      const float* residual = engine_.residual_.get() + c * shape_.row_stride;
      sums_[c] = std::accumulate(residual, residual + n, 0.0);
    }
  }

  void step_bias(const Part& part) {
    for (size_t c = 0; c < shape_.n_weights; ++c) {
      total_[c] = (part.is_first ? 0 : total_[c]) + sums_[c];
      if (wanted_) wanted_->by_bias[c] = total_[c];
      else if (part.is_last) engine_.bias_[c] -= static_cast<float>(total_[c]);
    }
  }

  Step make_step(const Part& part) const {
    const size_t at = part.batch * shape_.n_members;
    return {epoch_.steps + at, epoch_.shrink + at, epoch_.factors, epoch_.source.n, part.is_first, part.is_last};
  }

  Engine& engine_;
  const Shape& shape_;
  const Epoch& epoch_;
  const std::vector<Part>& parts_;
  const Sums* wanted_;  // null: take steps
  size_t number_, n_threads_;
  Range slabs_;
  Buffer<float> scratch_;
  Buffer<double> sums_, total_;
  Buffer<const char*> upcoming_;
};

void Engine::train(const Epoch& epoch) {
  std::vector<Part> parts;
  for (size_t batch = 0; batch < epoch.n_batches; ++batch) {
    const size_t first = epoch.starts[batch], last = epoch.starts[batch + 1];
    for (size_t place = first; place < last; place += part_size())
      parts.push_back({{place, std::min(last, place + part_size())}, batch, place == first, place + part_size() >= last});
  }
  run(epoch, parts, nullptr);
}

// One batch of all rows without a last part: the gradient is accumulated, and no step is taken.
void Engine::differentiate(const Source& source, const Labels& labels, const Sums& sums) {
  std::vector<Part> parts;
  for (size_t place = 0; place < source.n; place += part_size())
    parts.push_back({{place, std::min(source.n, place + part_size())}, 0, place == 0, false});
  const std::vector<float> ones(shape_.n_members, 1.0f);
  if (!gradient_.size()) gradient_ = Buffer<float>(weights_.size());
  run({source, labels, nullptr, 1, ones.data(), ones.data(), nullptr}, parts, &sums);
  unpack(gradient_.get(), sums.by_weights);
}

void Engine::run(const Epoch& epoch, const std::vector<Part>& parts, const Sums* sums) {
  const size_t n_threads = std::min(team_.size(), n_slabs_);
  std::vector<Pass> passes;  // allocated here, since the task of a thread must not throw if memory is short
  passes.reserve(n_threads);
  for (size_t number = 0; number < n_threads; ++number)
    passes.emplace_back(*this, epoch, parts, sums, number, n_threads);
  team_.run(n_threads, [&](size_t number) { passes[number].run(); });
}

// ---- Evaluation ----------------------------------------------------------------------------------------------------

// Threads take blocks of rows in turn; the result of a block does not depend on its thread.
template <class Finish>
void Engine::evaluate(const Source& source, const Finish& finish) {
  struct Room {
    Buffer<float> features, scores, scratch;
  };
  const Shape shape = give_room(shape_, std::min(source.n, EVALUATED));
  const size_t n_blocks = pad(source.n, EVALUATED) / EVALUATED, n_threads = std::min(team_.size(), n_blocks);
  std::vector<Room> rooms;
  for (size_t number = 0; number < n_threads; ++number) {
    rooms.push_back({Buffer<float>(shape.n_panels * shape.capacity * PANEL),
                     Buffer<float>(shape.n_weights * shape.row_stride), Buffer<float>(shape.n_classes * ROW_ALIGN)});
    write_shifts(shape, rooms.back().features.get());
  }
  if (n_blocks == 0) return;
  team_.run(n_threads, [&](size_t number) {
    const Room& room = rooms[number];
    const Range all{0, shape.n_panels};
    for (size_t block = number; block < n_blocks; block += n_threads) {
      const Range places{block * EVALUATED, std::min(source.n, (block + 1) * EVALUATED)};
      kernels_.pack(source, standard(), shape, all, places, n_threads * EVALUATED, room.features.get());
      kernels_.forward(shape, all, shape.n_shifts + places.size(), weights_.get(), room.features.get(),
                       room.scores.get());
      finish(shape, Scores{room.scores.get(), 1, bias_.get()}, places, room.scratch.get());
    }
  });
}

void Engine::measure(const Source& source, const Labels& labels, float* losses, std::uint8_t* correct) {
  evaluate(source, [&](const Shape& shape, const Scores& scores, Range places, float* scratch) {
    kernels_.measure(shape, folds(), losses_.data(), scores, labels, {0, places.size()}, places.first, source.n, scratch,
                     losses, correct);
  });
}

void Engine::score(const Source& source, float* out) {
  evaluate(source, [&](const Shape& shape, const Scores& scores, Range places, float* scratch) {
    kernels_.write_scores(shape, folds(), scores, {0, places.size()}, places.first, source.n, scratch, out);
  });
}

}  // namespace monolayer
