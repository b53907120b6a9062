// The Python interface: every array is checked here, so that the code behind it reads and writes only within bounds.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>

#include "engine.hpp"

namespace nb = nanobind;
using namespace monolayer;

namespace {

template <class T, size_t N>
using In = nb::ndarray<const T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T, size_t N>
using Out = nb::ndarray<T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
void require(bool is_true, const char* sentence) {
  if (!is_true) throw nb::value_error(sentence);
}

// Features, by Python's buffer protocol, which has strides in bytes (such as of a field in records) and any alignment.
class Features {
 public:
  explicit Features(nb::handle array) {
    if (PyObject_GetBuffer(array.ptr(), &view_, PyBUF_STRIDES | PyBUF_FORMAT)) throw nb::python_error();
    try {
      require(view_.ndim == 2, "Features have rows and columns.");
      kind_ = find_kind(view_.format);
    } catch (...) {
      PyBuffer_Release(&view_);
      throw;
    }
  }
  ~Features() { PyBuffer_Release(&view_); }
  Features(const Features&) = delete;
  Features& operator=(const Features&) = delete;

  const char* data() const { return static_cast<const char*>(view_.buf); }
  Kind kind() const { return kind_; }
  size_t shape(int axis) const { return static_cast<size_t>(view_.shape[axis]); }
  std::ptrdiff_t stride(int axis) const { return view_.strides[axis]; }

 private:
  static Kind find_kind(const char* format) {
    const std::string text = format ? format : "B";
    const std::string letter = text.substr(text.find_first_not_of("@=^"));
    if (letter == "B") return Kind::u8;
    if (letter == "e") return Kind::f16;
    if (letter == "f") return Kind::f32;
    require(letter == "d", "Features must be uint8, float16, float32 or float64 in this machine's order of bytes.");
    return Kind::f64;
  }

  Py_buffer view_;
  Kind kind_;
};

std::vector<std::int64_t> copy(const In<std::int64_t, 1>& array) {
  return {array.data(), array.data() + array.shape(0)};
}

// Features, and the order in which to read them, as Python objects. The order is copied before it is checked: it must
// not change while other Python threads run.
struct Rows {
  const Features& X;
  std::optional<std::vector<std::int64_t>> order;
  std::optional<In<std::uint8_t, 1>> mirrored;
  std::optional<In<float, 1>> scales;
  size_t width;

  Source open(const Shape& shape) const {
    require(X.shape(1) == shape.n_columns, "Features must have as many columns as the weights.");
    const size_t n = order ? order->size() : X.shape(0);
    if (order)
      for (std::int64_t row : *order)
        require(row >= 0 && row < static_cast<std::int64_t>(X.shape(0)), "The order names a row that is not there.");
    require(!mirrored || mirrored->shape(0) == n, "There must be one word on mirroring for each row.");
    require(!mirrored || (width > 0 && shape.n_columns % width == 0), "Mirrored rows are made of lines of the width.");
    require(!scales || scales->shape(0) == n, "There must be one scale for each row.");
    return {X.data(),
            X.kind(),
            X.stride(0),
            X.stride(1),
            order ? order->data() : nullptr,
            mirrored ? mirrored->data() : nullptr,
            scales ? scales->data() : nullptr,
            width,
            n};
  }
};

using AnyLabels = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

// Labels; class indices are copied for the same reason.
class Answers {
 public:
  Answers(const AnyLabels& y, const Shape& shape, size_t n) {
    require(y.ndim() >= 1 && y.shape(0) == n, "There must be a label for each row.");
    if (y.dtype() == nb::dtype<std::int64_t>() && y.ndim() == 1) {
      const auto* labels = static_cast<const std::int64_t*>(y.data());
      classes_.assign(labels, labels + n);
      for (std::int64_t label : classes_)
        require(label >= 0 && label < static_cast<std::int64_t>(shape.n_classes), "A label names no class.");
      labels_ = {classes_.data(), nullptr};
    } else {
      require(y.dtype() == nb::dtype<std::uint8_t>() && y.ndim() == 2 && y.shape(1) == shape.n_classes,
              "Labels must be int64 (n,) or uint8 (n, K).");
      labels_ = {nullptr, static_cast<const std::uint8_t*>(y.data())};
    }
  }
  const Labels& get() const { return labels_; }

 private:
  std::vector<std::int64_t> classes_;
  Labels labels_;
};

// One call at a time: a second one, from another thread, is refused.
class Turn {
 public:
  explicit Turn(std::atomic_flag& flag) : flag_(flag) {
    if (flag_.test_and_set()) throw std::runtime_error("Another thread is at work with this bank.");
  }
  ~Turn() { flag_.clear(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic_flag& flag_;
};

Rows make_rows(const Features& X, const std::optional<In<std::int64_t, 1>>& order,
               const std::optional<In<float, 1>>& scales) {
  return {X, order ? std::optional(copy(*order)) : std::nullopt, {}, scales, 0};
}

void check_targets(const Labels& labels, const std::vector<LossKind>& losses) {
  if (labels.targets)
    for (LossKind loss : losses) require(loss == LossKind::multiple_bce, "Several labels a row are for sigmoids only.");
}

const Kernels& find_kernels(const std::string& name) {
  for (const Kernels* kernels : list_kernels())
    if (kernels->name == name) return *kernels;
  throw nb::value_error("This processor has no such instruction set.");
}

class NativeBank {
 public:
  NativeBank(In<float, 2> weights, In<float, 1> bias, In<double, 1> mean, In<double, 1> std, In<std::uint8_t, 1> losses,
             In<std::int32_t, 1> fold_of, std::optional<In<double, 2>> shifts, std::optional<In<double, 2>> slopes,
             size_t batch_size, size_t n_threads, const std::string& instruction_set)
      : losses_(read_losses(losses)),
        engine_(make_setup(weights, bias, mean, std, fold_of, shifts, slopes, batch_size), find_kernels(instruction_set),
                n_threads),
        n_folds_(count_folds(fold_of)) {}

  void train(nb::handle array, In<std::int64_t, 1> order, std::optional<In<std::uint8_t, 1>> mirrored,
             std::optional<In<float, 1>> scales, size_t width, AnyLabels y, In<std::int64_t, 1> starts,
             In<float, 2> steps, In<float, 2> shrink, std::optional<In<float, 2>> factors) {
    const Shape& shape = engine_.shape();
    const Features X(array);
    const Turn turn(is_busy_);
    const Rows rows{X, copy(order), mirrored, scales, width};
    const std::vector<std::int64_t> bounds = copy(starts);
    Epoch epoch{rows.open(shape), {}, bounds.data(), 0, steps.data(), shrink.data(), nullptr};
    const Answers answers(y, shape, epoch.source.n);
    epoch.labels = answers.get();
    check_targets(epoch.labels, losses_);
    require(!bounds.empty(), "Batches begin and end somewhere.");
    epoch.n_batches = bounds.size() - 1;
    require(bounds.front() == 0 && bounds.back() == static_cast<std::int64_t>(epoch.source.n),
            "Batches must hold all rows of the order.");
    for (size_t i = 0; i < epoch.n_batches; ++i)
      require(bounds[i] < bounds[i + 1] && bounds[i + 1] - bounds[i] <= static_cast<std::int64_t>(batch_size_),
              "No batch may be empty, or larger than was said.");
    for (const auto* table : {&steps, &shrink})
      require(table->shape(0) == epoch.n_batches && table->shape(1) == shape.n_members,
              "Steps must be one a batch and member.");
    if (factors) {
      require(factors->shape(0) >= n_folds_ && factors->shape(1) == epoch.source.n,
              "There must be a factor for each fold and row.");
      epoch.factors = factors->data();
    }
    nb::gil_scoped_release release;
    engine_.train(epoch);
  }

  void differentiate(nb::handle array, std::optional<In<std::int64_t, 1>> order, std::optional<In<float, 1>> scales,
                     AnyLabels y, Out<float, 2> losses, Out<std::uint8_t, 2> correct, Out<float, 2> by_weights,
                     Out<double, 1> by_bias) {
    const Shape& shape = engine_.shape();
    const Features X(array);
    const Turn turn(is_busy_);
    const Rows rows = make_rows(X, order, scales);
    const Source source = rows.open(shape);
    const Answers answers(y, shape, source.n);
    const Labels& labels = answers.get();
    check_targets(labels, losses_);
    check_answers(losses, correct, source.n);
    require(source.n > 0, "There must be a row.");
    require(by_weights.shape(0) == shape.n_weights && by_weights.shape(1) == shape.n_columns &&
                by_bias.shape(0) == shape.n_weights,
            "There must be room for the whole gradient.");
    nb::gil_scoped_release release;
    engine_.differentiate(source, labels, {losses.data(), correct.data(), by_weights.data(), by_bias.data()});
  }

  void measure(nb::handle array, std::optional<In<std::int64_t, 1>> order, std::optional<In<float, 1>> scales, AnyLabels y,
               Out<float, 2> losses, Out<std::uint8_t, 2> correct) {
    const Shape& shape = engine_.shape();
    const Features X(array);
    const Turn turn(is_busy_);
    const Rows rows = make_rows(X, order, scales);
    const Source source = rows.open(shape);
    const Answers answers(y, shape, source.n);
    const Labels& labels = answers.get();
    check_targets(labels, losses_);
    check_answers(losses, correct, source.n);
    nb::gil_scoped_release release;
    engine_.measure(source, labels, losses.data(), correct.data());
  }

  void score(nb::handle array, std::optional<In<std::int64_t, 1>> order, std::optional<In<float, 1>> scales,
             Out<float, 3> scores) {
    const Shape& shape = engine_.shape();
    const Features X(array);
    const Turn turn(is_busy_);
    const Rows rows = make_rows(X, order, scales);
    const Source source = rows.open(shape);
    require(scores.shape(0) == shape.n_members && scores.shape(1) == source.n && scores.shape(2) == shape.n_classes,
            "There must be room for the scores of every member and row.");
    nb::gil_scoped_release release;
    engine_.score(source, scores.data());
  }

  void read_weights(Out<float, 2> weights, Out<float, 1> bias) {
    const Shape& shape = engine_.shape();
    require(weights.shape(0) == shape.n_weights && weights.shape(1) == shape.n_columns &&
                bias.shape(0) == shape.n_weights,
            "There must be room for all weights.");
    const Turn turn(is_busy_);
    engine_.read_weights(weights.data(), bias.data());
  }

  size_t n_threads() const { return engine_.n_threads(); }

 private:
  void check_answers(const Out<float, 2>& losses, const Out<std::uint8_t, 2>& correct, size_t n) const {
    const size_t n_members = engine_.shape().n_members;
    require(losses.shape(0) == n_members && losses.shape(1) == n && correct.shape(0) == n_members &&
                correct.shape(1) == n,
            "There must be room for one answer a member and row.");
  }

  static std::vector<LossKind> read_losses(const In<std::uint8_t, 1>& losses) {
    std::vector<LossKind> kinds;
    for (size_t i = 0; i < losses.shape(0); ++i) {
      require(losses(i) <= 1, "A loss is 0 (cross-entropy) or 1 (multiple BCE).");
      kinds.push_back(static_cast<LossKind>(losses(i)));
    }
    return kinds;
  }

  static size_t count_folds(const In<std::int32_t, 1>& fold_of) {
    size_t n = 0;
    for (size_t i = 0; i < fold_of.shape(0); ++i) {
      require(fold_of(i) >= 0, "A fold's number is 0 or above.");
      n = std::max(n, static_cast<size_t>(fold_of(i)) + 1);
    }
    return n;
  }

  Setup make_setup(const In<float, 2>& weights, const In<float, 1>& bias, const In<double, 1>& mean,
                   const In<double, 1>& std, const In<std::int32_t, 1>& fold_of,
                   const std::optional<In<double, 2>>& shifts, const std::optional<In<double, 2>>& slopes,
                   size_t batch_size) {
    const size_t n_weights = weights.shape(0), n_columns = weights.shape(1), n_members = losses_.size();
    require(n_weights > 0 && n_columns > 0 && n_members > 0 && n_weights % n_members == 0,
            "There must be as many rows of weights for each member.");
    require(bias.shape(0) == n_weights, "There must be a bias for each row of weights.");
    require(mean.shape(0) == n_columns && std.shape(0) == n_columns, "There must be a mean and deviation a column.");
    require(fold_of.shape(0) == n_members, "There must be a fold for each member.");
    require(batch_size > 0, "Batches have a row at least.");
    const size_t n_folds = count_folds(fold_of);
    for (const auto* table : {&shifts, &slopes})
      require(!*table || ((*table)->shape(0) >= n_folds && (*table)->shape(1) == n_columns),
              "There must be a row for each fold.");
    require(!slopes || (shifts && shifts->shape(0) == slopes->shape(0)), "Slopes come with as many shifts.");
    batch_size_ = batch_size;
    return {n_columns,
            n_members,
            n_weights / n_members,
            batch_size,
            shifts ? shifts->shape(0) : 0,
            weights.data(),
            bias.data(),
            mean.data(),
            std.data(),
            losses_,
            {fold_of.data(), fold_of.data() + n_members},
            shifts ? shifts->data() : nullptr,
            slopes ? slopes->data() : nullptr};
  }

  size_t batch_size_ = 0;
  std::atomic_flag is_busy_;
  std::vector<LossKind> losses_;
  Engine engine_;
  size_t n_folds_;
};

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "The compiled engine; monolayer.engine.native is its Python interface.";
  module.def("list_instruction_sets", [] {
    std::vector<std::string> names;
    for (const Kernels* kernels : list_kernels()) names.emplace_back(kernels->name);
    return names;
  });
  nb::class_<NativeBank>(module, "NativeBank")
      .def(nb::init<In<float, 2>, In<float, 1>, In<double, 1>, In<double, 1>, In<std::uint8_t, 1>, In<std::int32_t, 1>,
                    std::optional<In<double, 2>>, std::optional<In<double, 2>>, size_t, size_t, const std::string&>(),
           nb::kw_only(), nb::arg("weights"), nb::arg("bias"), nb::arg("mean"), nb::arg("std"), nb::arg("losses"),
           nb::arg("fold_of"), nb::arg("shifts").none(), nb::arg("slopes").none(), nb::arg("batch_size"),
           nb::arg("n_threads"), nb::arg("instruction_set"))
      .def("train", &NativeBank::train, nb::kw_only(), nb::arg("X"), nb::arg("order"), nb::arg("mirrored").none(),
           nb::arg("scales").none(), nb::arg("width"), nb::arg("y"), nb::arg("starts"), nb::arg("steps"),
           nb::arg("shrink"), nb::arg("factors").none())
      .def("differentiate", &NativeBank::differentiate, nb::kw_only(), nb::arg("X"), nb::arg("order").none(),
           nb::arg("scales").none(), nb::arg("y"), nb::arg("losses").noconvert(), nb::arg("correct").noconvert(),
           nb::arg("by_weights").noconvert(), nb::arg("by_bias").noconvert())
      .def("measure", &NativeBank::measure, nb::kw_only(), nb::arg("X"), nb::arg("order").none(),
           nb::arg("scales").none(), nb::arg("y"), nb::arg("losses").noconvert(), nb::arg("correct").noconvert())
      .def("score", &NativeBank::score, nb::kw_only(), nb::arg("X"), nb::arg("order").none(),
           nb::arg("scales").none(), nb::arg("scores").noconvert())
      .def("read_weights", &NativeBank::read_weights, nb::kw_only(), nb::arg("weights").noconvert(),
           nb::arg("bias").noconvert())
      .def_prop_ro("n_threads", &NativeBank::n_threads);
}
