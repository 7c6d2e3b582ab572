/** Tail probabilities that tests need: binomial with p = ½, chi-square with one degree of freedom. */

/** P(X ≤ k) for X ~ Binomial(n, ½). */
export function fairBinomialTail(k: number, n: number): number {
  let sum = 0;
  // ln of n choose i, from one i to the next.
  let logChoose = 0;
  for (let i = 0; i <= Math.min(k, n); i++) {
    if (i > 0) logChoose += Math.log((n - i + 1) / i);
    sum += Math.exp(logChoose - n * Math.LN2);
  }
  return Math.min(1, sum);
}

/** P(X ≥ x) for X ~ χ² with one degree of freedom. */
export function chiSquareTail(x: number): number {
  return x <= 0 ? 1 : complementaryError(Math.sqrt(x / 2));
}

/**
 * erfc(x) for x ≥ 0 to about 1e-13 of its value: the series of erf below 2 (Abramowitz & Stegun 7.1.6), the continued
 * fraction of erfc above (7.1.14), evaluated from its far end.
 */
export function complementaryError(x: number): number {
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = x;
  for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
