// The verdict on a proportion, and on the champion beside its challenger: the same numbers as mlbot.stats.bounds.

const RISK = 0.05, LOSS_RISK = 0.025, POWER = 0.8, SKEWED = 1.25;
const Z = { 0.8: 0.8416212335729143, 0.95: 1.6448536269514722, 0.975: 1.959963984540054 };
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];

// the logarithm of the gamma function, by Lanczos's series
function logGamma(x) {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const t = x + 6.5;
  let sum = LANCZOS[0];
  for (let i = 1; i < 9; i++) sum += LANCZOS[i] / (x - 1 + i);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

// the continued fraction of the incomplete beta function, by Lentz's method
function continuedFraction(a, b, x) {
  const tiny = 1e-300;
  let c = 1, d = 1 / (1 - (a + b) * x / (a + 1) || tiny), value = d;
  for (let m = 1; m < 100000; m++) {
    for (const step of [m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                        -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))]) {
      d = 1 / (1 + step * d || tiny);
      c = 1 + step / c || tiny;
      value *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return value;
}

// the probability that a Beta(a, b) variable is at most x
function incompleteBeta(a, b, x) {
  if (!(x > 0 && x < 1)) return x >= 1 ? 1 : 0;
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logGamma(a) - logGamma(b) + logGamma(a + b));
  return x < (a + 1) / (a + b + 2) ? front * continuedFraction(a, b, x) / a : 1 - front * continuedFraction(b, a, 1 - x) / b;
}

// where a falling function crosses zero, by halving
function crossing(falling, low = 0, high = 1) {
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (falling(middle) > 0) low = middle; else high = middle;
  }
  return (low + high) / 2;
}

const betaQuantile = (a, b, probability) => crossing((x) => probability - incompleteBeta(a, b, x));
const shareAtLeast = (hits, n) => (hits > 0 ? betaQuantile(hits, n - hits + 1, RISK) : 0);
const shareAtMost = (hits, n) => (hits < n ? betaQuantile(hits + 1, n - hits, 1 - RISK) : 1);

function wilsonEnd(hits, n) {
  const z = Z[0.975], square = z * z, root = square - 2 - 1 / n + 4 * hits / n * (n - hits + 1);
  return hits > 0 ? Math.max(0, (2 * hits + square - 1 - z * Math.sqrt(Math.max(root, 0))) / (2 * (n + square))) : 0;
}

const compare = (least, most, limit) => (least >= limit ? "pass" : most < limit ? "fail" : "too close to call");

// rows with which such a score is surely on its side of the limit; null where it equals the limit
function rowsToSettle(value, least, most, n, limit) {
  const gap = Math.abs(value - limit);
  if (gap < 1e-9 || !n) return null;
  const reach = 1 + Z[POWER] / Z[0.95], half = (most - least) / 2, side = limit < value ? value - least : most - value;
  return Math.ceil(n * ((side > SKEWED * half ? side : half) * reach / gap) ** 2);
}

// the verdict on `right` of `n` rows under a floor
function judgeShare(right, n, floor) {
  const value = right / n, least = shareAtLeast(right, n), most = shareAtMost(right, n);
  const outcome = compare(least, most, floor), rows = rowsToSettle(value, least, most, n, floor);
  return { value, low: wilsonEnd(right, n), high: 1 - wilsonEnd(n - right, n), least, most, outcome,
           more: outcome === "too close to call" && rows !== null ? Math.max(rows - n, 1) : 0 };
}

function atMost(hits, n, share) {
  if (hits >= n || share <= 0) return 1;
  return share < 1 ? incompleteBeta(n - hits, hits + 1, 1 - share) : 0;
}

const midP = (hits, n, share) => ((hits >= 1 ? atMost(hits - 1, n, share) : 0) + atMost(hits, n, share)) / 2;
const healedBound = (broke, healed) => (broke === 0 ? 1 : crossing((share) => midP(healed, broke + healed, share) - LOSS_RISK));
const widened = (end, other) => (end <= 0 ? Math.min(end, other) : Math.max(1e-9, Math.min(end, other)));

// the verdict on a new model that broke and healed so many of the champion's n answers
function judgeGain(broke, healed, n) {
  const changed = broke + healed, value = (healed - broke) / n;
  if (!changed) return { value, least: 0, most: 0, outcome: "pass" };
  const gap = healed - broke, size = n + 2;  // Wald's interval with half a pair more in each cell (Agresti, Min 2005)
  const half = Z[0.975] * Math.sqrt(Math.max(changed + 1 - gap ** 2 / size, 0)) / size;
  const low = Math.max(-1, gap / size - half), high = Math.min(1, gap / size + half);
  const least = widened((2 * (1 - healedBound(healed, broke)) - 1) * changed / n, low);
  const most = -widened(-(2 * healedBound(broke, healed) - 1) * changed / n, -high);
  return { value, least, most, outcome: compare(least, most, 0) };
}

function connect(page) {
  const field = (name) => Number(page.getElementById(name).value);
  const show = (name, text) => { page.getElementById(name).textContent = text; };
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const update = () => {
    const [n, right, floor, broke, healed] = ["n", "right", "floor", "broke", "healed"].map(field);
    if (!(n >= 1 && right >= 0 && right <= n && floor >= 0 && floor <= 100 && broke >= 0 && healed >= 0 && broke + healed <= n)) {
      show("said", "Give at least one row, no more right answers than rows, and a floor from 0 to 100.");
      return show("gain", "");
    }
    const one = judgeShare(right, n, floor / 100), two = judgeGain(broke, healed, n);
    show("said", `${one.outcome}: ${percent(one.value)} (n=${n}, 95 % ${percent(one.low)} to ${percent(one.high)}), floor ${percent(floor / 100)}`
      + (one.more ? `; about ${one.more.toLocaleString("en")} more labelled rows would settle it` : ""));
    show("gain", `against the champion: ${two.outcome}: ${(100 * two.value).toFixed(1)} points `
      + `(${(100 * two.least).toFixed(1)} to ${(100 * two.most).toFixed(1)})`);
  };
  for (const input of page.querySelectorAll("#try-a-verdict input")) input.addEventListener("input", update);
  update();
}

if (typeof document !== "undefined") document.addEventListener("DOMContentLoaded", () => document.getElementById("said") && connect(document));
if (typeof module !== "undefined") module.exports = { judgeShare, judgeGain };
