// The instruction sets that are compiled in, and those that this processor supports.

#include "kernels.hpp"

namespace monolayer {

#if defined(MONOLAYER_NEON)
namespace neon {
extern const Kernels kernels;
}
#else
namespace baseline {
extern const Kernels kernels;
}
#endif
#if defined(MONOLAYER_HAS_AVX2)
namespace avx2 {
extern const Kernels kernels;
}
#endif
#if defined(MONOLAYER_HAS_AVX512)
namespace avx512 {
extern const Kernels kernels;
}
#endif

namespace {

// Best first.
std::vector<const Kernels*> find_kernels() {
  std::vector<const Kernels*> found;
#if defined(MONOLAYER_HAS_AVX512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    found.push_back(&avx512::kernels);
#endif
#if defined(MONOLAYER_HAS_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&avx2::kernels);
#endif
#if defined(MONOLAYER_NEON)
  found.push_back(&neon::kernels);
#else
  found.push_back(&baseline::kernels);
#endif
  return found;
}

}  // namespace

const std::vector<const Kernels*>& list_kernels() {
  static const std::vector<const Kernels*> found = find_kernels();
  return found;
}

}  // namespace monolayer
