// Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): 4x4 results from a patch of 6x6 pixels through 36 points, 2.25 multiplications
// for each result and channel where F(2x2, 3x3) has 4.
//
// Polynomials are interpolated at 0, ±1/√2, ±√2 and infinity. Rounded points cost the results half as much as with the usual 0, ±1, ±2
// (Barabasz, Anderson, Soodhalter and Gregg, arXiv 1803.10986, on the choice of points).

#define WINOGRAD_NEAR 0.70710678f
#define WINOGRAD_FAR 1.41421356f

// Line `y` of B^T d: of six pixels in one dimension.
INLINE vfloat transform_six_pixels(const int y, const vfloat *d) {
  switch (y) {
    case 0: return (d[0] + d[4]) - 2.5f * d[2];
    case 1: return (d[4] - 2.0f * d[2]) + WINOGRAD_NEAR * (d[3] - 2.0f * d[1]);
    case 2: return (d[4] - 2.0f * d[2]) - WINOGRAD_NEAR * (d[3] - 2.0f * d[1]);
    case 3: return (d[4] - 0.5f * d[2]) + WINOGRAD_FAR * (d[3] - 0.5f * d[1]);
    case 4: return (d[4] - 0.5f * d[2]) - WINOGRAD_FAR * (d[3] - 0.5f * d[1]);
    default: return (d[1] + d[5]) - 2.5f * d[3];
  }
}

// G g: six points of three taps, `step` vectors from tap to tap and from point to point.
INLINE void transform_three_taps(const vfloat *g, size_t step, vfloat *points) {
  const vfloat near_even = g[0] + 0.5f * g[2 * step], near_odd = WINOGRAD_NEAR * g[step];
  const vfloat far_even = g[0] + 2.0f * g[2 * step], far_odd = WINOGRAD_FAR * g[step];
  points[0] = g[0];
  points[step] = (near_even + near_odd) * (-2.0f / 3);
  points[2 * step] = (near_even - near_odd) * (-2.0f / 3);
  points[3 * step] = (far_even + far_odd) * (1.0f / 6);
  points[4 * step] = (far_even - far_odd) * (1.0f / 6);
  points[5 * step] = g[2 * step];
}

// A^T m: four results of six sums.
INLINE void transform_six_sums(const vfloat *m, vfloat *results) {
  const vfloat near_even = m[1] + m[2], near_odd = m[1] - m[2];
  const vfloat far_even = m[3] + m[4], far_odd = m[3] - m[4];
  results[0] = m[0] + near_even + far_even;
  results[1] = WINOGRAD_NEAR * near_odd + WINOGRAD_FAR * far_odd;
  results[2] = 0.5f * near_even + 2.0f * far_even;
  results[3] = (0.5f * WINOGRAD_NEAR) * near_odd + (2.0f * WINOGRAD_FAR) * far_odd + m[5];
}
