#include "team.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

#include <system_error>

namespace monolayer {
namespace {

// Some hundreds of microseconds: long beside a meeting, and beside what it takes to wake a sleeper, since who sleeps once
// makes the others wait, who then sleep in turn, so that every meeting costs a waking. Short beside a turn of another
// program's: whoever is later than that has lost the core to one, and gets on with the one of those who sleep.
constexpr int SPINS = 20000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // "yield" is too short a pause there
#endif
}

int find_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Leave the core that the caller of the task computes on. The system does so too, but may take a tenth of a second for it,
// in which the two wait for each other. Where there is no other core, or the system says no, nothing happens.
void leave_core(int core) {
#if defined(__linux__)
  cpu_set_t allowed;
  if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed)) return;
  cpu_set_t others = allowed;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof others, &others))
    sched_setaffinity(0, sizeof allowed, &allowed);  // from where it is now it may go on to wherever it likes
#else
  static_cast<void>(core);
#endif
}

}  // namespace

Team::Team(std::size_t n_threads) {
  workers_.reserve(n_threads > 1 ? n_threads - 1 : 0);  // so that nothing but the system can refuse a thread below
  try {
    for (std::size_t number = 1; number < n_threads; ++number) workers_.emplace_back([this, number] { work(number); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those that there are do the work, with the same result.
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
    meeting_.notify_all();  // costs nothing where nobody sleeps
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
