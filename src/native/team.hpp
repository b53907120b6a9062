// A pool of threads that run one task together and synchronise at barriers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace monolayer {

// Between tasks the threads sleep. Within a task they reach barriers about a hundred thousand times a minute, so they
// spin for a moment before they sleep.
class Team {
 public:
  explicit Team(std::size_t n_threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t size() const { return workers_.size() + 1; }
  // Run task(number) in this many threads, the caller as number 0; returns when all are done. Tasks must not throw.
  void run(std::size_t n_threads, const std::function<void(std::size_t)>& task);
  // A barrier: wait until all threads of the running task have reached it.
  void meet();

 private:
  void work(std::size_t number);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(std::size_t)>* task_ = nullptr;
  std::size_t n_running_ = 0, n_left_ = 0, round_ = 0;
  int core_ = -1;  // on which the running task was started; below 0: unknown
  bool is_leaving_ = false;
  alignas(64) std::atomic<std::size_t> n_arrived_{0};
  alignas(64) std::atomic<std::uint32_t> meeting_{0};
};

}  // namespace monolayer
