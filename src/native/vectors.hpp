// A vector of floats as wide as the registers of the instruction set, and functions of it.
//
// GCC's and Clang's vector types, so that one source serves SSE2, AVX2, AVX-512 and NEON: MONOLAYER_LANES says how many
// floats a register holds. Everything here has internal linkage (an anonymous namespace), or the linker would keep one
// instruction set's copy of a function for all of them, and a machine without AVX-512 would run AVX-512 code.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

namespace {

constexpr int LANES = MONOLAYER_LANES;
typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef std::int32_t Ints __attribute__((vector_size(LANES * 4)));
typedef std::uint32_t Words __attribute__((vector_size(LANES * 4)));
typedef std::uint16_t Halves __attribute__((vector_size(LANES * 2)));
typedef std::uint8_t Bytes __attribute__((vector_size(LANES)));
typedef double Doubles __attribute__((vector_size(LANES * 8)));

// memcpy is how C++ reads memory of any alignment; it becomes one load.
template <class Vector>
inline Vector load_as(const void* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

inline Vec load(const float* from) { return load_as<Vec>(from); }
inline void store(float* to, Vec vector) { std::memcpy(to, &vector, sizeof vector); }
inline Vec spread(float value) { return Vec{} + value; }

// Sums of the lanes of N vectors at once. Two vectors in blocks of B lanes become one in blocks of half as many, until
// each of the N has one block of the last vector: three instructions per pair instead of three per halving.
template <int B, int... LANE>
inline Vec fold(Vec a, Vec b, std::integer_sequence<int, LANE...>) {
  constexpr int H = B / 2, BLOCKS = LANES / B;
  return __builtin_shufflevector(a, b, (LANE / H < BLOCKS ? 0 : LANES) + LANE / H % BLOCKS * B + LANE % H...) +
         __builtin_shufflevector(a, b, (LANE / H < BLOCKS ? 0 : LANES) + LANE / H % BLOCKS * B + LANE % H + H...);
}

template <int B, int... LANE>
inline Vec add_blocks(Vec a, std::integer_sequence<int, LANE...> lanes) {
  if constexpr (B > 1)
    return add_blocks<B / 2>(a + __builtin_shufflevector(a, a, LANE / B * B + (LANE + B / 2) % B...), lanes);
  else
    return a;
}

template <int N>
inline void add_lanes(const Vec* vectors, float* sums) {
  constexpr std::make_integer_sequence<int, LANES> lanes;
  Vec all = vectors[0];
  if constexpr (N == 2) all = fold<LANES>(vectors[0], vectors[1], lanes);
  if constexpr (N == 4)
    all = fold<LANES / 2>(fold<LANES>(vectors[0], vectors[1], lanes), fold<LANES>(vectors[2], vectors[3], lanes), lanes);
  all = add_blocks<LANES / N>(all, lanes);
  for (int i = 0; i < N; ++i) sums[i] = all[i * (LANES / N)];
}

inline Vec maximum(Vec a, Vec b) { return a > b ? a : b; }

// Features to floats.
inline Vec widen(const std::uint8_t* from) {
  // In two steps: GCC 12 converts bytes directly to 32 bits one at a time.
  const Halves halves = __builtin_convertvector(load_as<Bytes>(from), Halves);
  return __builtin_convertvector((Ints)__builtin_convertvector(halves, Words), Vec);
}

inline Vec widen(const float* from) { return load(from); }

// IEEE half precision, as its bits: exponent and fraction move to their places in a float, and a multiplication by
// 2**112 corrects the exponent's bias, for subnormal numbers too. Infinity and NaN (exponent 31) stay large.
inline Vec widen(const std::uint16_t* from) {
  const Words half = __builtin_convertvector(load_as<Halves>(from), Words);
  const Words magnitude = (half & 0x7fffu) << 13;
  Vec value = (Vec)magnitude * 0x1p112f;
  const Words bits = (Words)value;
  const Words special = (Words)(magnitude >= (0x1fu << 23));
  return (Vec)(((special & 0x7f800000u) | bits) | (half & 0x8000u) << 16);
}

// exp(x): 2**n exp(r), |r| <= log(2) / 2, and Taylor's series of exp(r), whose eighth term
// is below half a unit. Below -87.3 it is 0; above 88.3 it stays at exp(88.3), which is as good as infinity to a sigmoid.
inline Vec exponential(Vec x) {
  constexpr float LEAST = -87.3f, MOST = 88.3f;
  // Adding 1.5 * 2**23 rounds to a whole number, which is then in the lowest bits.
  constexpr float ROUNDING = 12582912.0f;
  const Vec least = spread(LEAST), most = spread(MOST);
  Vec bounded = x < least ? least : x;  // a NaN compares false and remains NaN
  bounded = bounded > most ? most : bounded;
  const Vec shifted = bounded * 1.44269504f + ROUNDING;
  const Vec n = shifted - ROUNDING;
  const Vec r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;  // log(2) in two parts: the first is exact times n
  Vec p = spread(1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const Words power = ((Words)shifted - 0x4b400000u + 127u) << 23;
  const Vec result = p * (Vec)power;
  return x < least ? Vec{} : (x == x ? result : x);
}

// log(x) of normal x > 0: the exponent, and of the fraction m in [sqrt(1/2), sqrt(2)) the series of the area tangent.
inline Vec logarithm(Vec x) {
  const Ints bits = (Ints)x;
  const Ints e = (bits - 0x3f3504f3) >> 23;
  const Vec m = (Vec)(bits - (e << 23));
  const Vec exponent = __builtin_convertvector(e, Vec);
  const Vec s = (m - 1.0f) / (m + 1.0f), square = s * s;
  Vec p = spread(2.0f / 9);
  p = p * square + 2.0f / 7;
  p = p * square + 2.0f / 5;
  p = p * square + 2.0f / 3;
  p = p * square * s + 2.0f * s;
  const Vec result = exponent * 0.693359375f + (p - exponent * 2.12194440e-4f);
  return x <= spread(__FLT_MAX__) ? result : x;  // infinity and NaN are returned unchanged
}

// log(1 + x) for 0 <= x <= 1, to the last digit also for small x: the rounding error of 1 + x is added back (Kahan).
inline Vec logarithm_of_one_plus(Vec x) {
  const Vec sum = 1.0f + x;
  return logarithm(sum) + (x - (sum - 1.0f)) / sum;
}

}  // namespace
