// A few threads that do one task together and meet on the way.
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

// Between tasks the threads sleep. Within one they meet some hundred thousand times a minute, so there they wait awake for
// a moment before they sleep.
class Team {
 public:
  explicit Team(std::size_t n_threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t size() const { return workers_.size() + 1; }
  // task(number) in this many threads, the caller being number 0; returns when all are done. Tasks must not throw.
  void run(std::size_t n_threads, const std::function<void(std::size_t)>& task);
  // Wait until all threads of the running task have come here.
  void meet();

 private:
  void work(std::size_t number);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(std::size_t)>* task_ = nullptr;
  std::size_t n_running_ = 0, n_left_ = 0, round_ = 0;
  int core_ = -1;  // that the running task was begun on; below 0: not known
  bool is_leaving_ = false;
  alignas(64) std::atomic<std::size_t> n_arrived_{0};
  alignas(64) std::atomic<std::uint32_t> meeting_{0};
};

}  // namespace monolayer
