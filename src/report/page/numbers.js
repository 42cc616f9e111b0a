// How numbers are written.

const absent = "–";
const significant = (value) => {
  if (value === null || value === undefined) return absent;
  if (value === 0) return "0";
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(12));
  if (Number.isInteger(rounded) && size < 1e5) return `${rounded}`.replace("-", "−");
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2).replace("e+", "e").replace("-", "−");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toFixed(Math.min(digits, 6)).replace("-", "−");
};
const percent = (value) => (value === null || value === undefined ? absent : `${significant(100 * value)} %`);
const whole = (value) => (value === null || value === undefined ? absent : value.toLocaleString("en"));
const text = (value) => value ?? absent;

function large(value) {
  for (const [size, unit] of [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (value >= size) return `${significant(value / size)} ${unit}`;
  }
  return whole(value);
}
