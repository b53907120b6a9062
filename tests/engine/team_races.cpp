// Teams of every size at work, for the thread sanitizer: what one thread writes between two meetings all others read
// after the second. With MONOLAYER_RACE the meetings are left out, and the sanitizer has to say so.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "team.hpp"

namespace {

constexpr std::size_t ROUNDS = 50, MEETINGS = 40;

void check(bool is_right) {
  if (is_right) return;
  std::fputs("a thread read what was not written yet\n", stderr);
  std::exit(1);
}

void work(monolayer::Team& team, std::size_t n_threads) {
  std::vector<std::size_t> written(n_threads, 0), read(n_threads, 0);
  team.run(n_threads, [&](std::size_t number) {
    for (std::size_t i = 1; i <= MEETINGS; ++i) {
      written[number] = i;
#ifndef MONOLAYER_RACE
      team.meet();
#endif
      std::size_t sum = 0;
      for (std::size_t value : written) sum += value;
#ifndef MONOLAYER_RACE
      check(sum == i * n_threads);
      team.meet();
#endif
      read[number] += sum;
    }
  });
  for (std::size_t value : written) check(value == MEETINGS);
  for (std::size_t value : read) check(value >= MEETINGS);
}

}  // namespace

int main() {
  for (std::size_t n_threads : {1, 2, 3, 5}) {
    monolayer::Team team(n_threads);
    for (std::size_t round = 0; round < ROUNDS; ++round) work(team, 1 + round % team.size());
  }
}
