#include "team.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

#include <system_error>

namespace monolayer {
namespace {

// Some hundreds of microseconds: long compared with the time between barriers and with waking a thread, because one
// thread that sleeps delays the others, which then sleep too, so that every barrier costs a wake-up. Short compared
// with a time slice of another program: a thread that is later than this has lost its core, and continues on that of a
// sleeper.
constexpr int SPINS = 20000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // "yield" pauses too briefly on ARM
#endif
}

int find_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Move to another core than that of the caller. The system also does this, but may take a tenth of a second, during
// which the two threads wait for each other. Without another core, or if the system refuses, nothing happens.
void leave_core(int core) {
#if defined(__linux__)
  cpu_set_t allowed;
  if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed)) return;
  cpu_set_t others = allowed;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof others, &others))
    sched_setaffinity(0, sizeof allowed, &allowed);  // afterwards the thread may run on any core again
#else
  static_cast<void>(core);
#endif
}

}  // namespace

Team::Team(std::size_t n_threads) {
  workers_.reserve(n_threads > 1 ? n_threads - 1 : 0);  // so that below only the system can refuse a thread
  try {
    for (std::size_t number = 1; number < n_threads; ++number) workers_.emplace_back([this, number] { work(number); });
  } catch (const std::system_error&) {
    // The system refuses more threads: the existing ones do the work, with the same result.
  }
}

Team::~Team() {
  {
    std::lock_guard lock(mutex_);
    is_leaving_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Team::run(std::size_t n_threads, const std::function<void(std::size_t)>& task) {
  {
    std::lock_guard lock(mutex_);
    task_ = &task;
    n_running_ = n_threads;
    n_left_ = n_threads - 1;
    core_ = find_core();
    ++round_;
  }
  if (n_threads > 1) wake_.notify_all();
  task(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return n_left_ == 0; });
}

void Team::meet() {
  if (n_running_ == 1) return;
  const std::uint32_t meeting = meeting_.load(std::memory_order_relaxed);
  if (n_arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == n_running_) {
    n_arrived_.store(0, std::memory_order_relaxed);
    meeting_.store(meeting + 1, std::memory_order_release);
    meeting_.notify_all();  // costs nothing if no thread sleeps
    return;
  }
  for (int spin = 0; spin < SPINS; ++spin) {
    if (meeting_.load(std::memory_order_acquire) != meeting) return;
    pause();
  }
  meeting_.wait(meeting, std::memory_order_acquire);
}

void Team::work(std::size_t number) {
  std::size_t round = 0;
  for (;;) {
    const std::function<void(std::size_t)>* task;
    int core;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return is_leaving_ || round_ != round; });
      if (is_leaving_) return;
      round = round_;
      if (number >= n_running_) continue;
      task = task_;
      core = core_;
    }
    if (core >= 0 && find_core() == core) leave_core(core);
    (*task)(number);
    std::lock_guard lock(mutex_);
    if (--n_left_ == 0) done_.notify_one();
  }
}

}  // namespace monolayer
