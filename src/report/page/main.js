// Puts the page together, and keeps it fitting.

function theme() {
  const button = document.getElementById("theme"),
    root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
  };
  button.onclick = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  };
  dark.addEventListener("change", show);
  show();
}

function footer() {
  const settings = analysis.settings ?? {};
  const said = Object.entries(settings)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`)
    .join(", ");
  document
    .getElementById("footer")
    .append(
      h(
        "p",
        {},
        `Made by merganser ${analysis.merganser}, document schema ${analysis.schema}. Settings: ${said}.`,
      ),
      h(
        "p",
        {},
        "Every number is from the document within this page, or worked out from it as the formulas say. The page loads nothing.",
      ),
      h(
        "details",
        {},
        h("summary", {}, "Licences of the plotting library in this page"),
        h("pre", {}, document.getElementById("licences").textContent),
      ),
    );
}

theme();
summary();
whereItIs();
spectra();
agreement();
losses();
tensorsTable();
remarks();
footer();
redrawWhereWidthChanged();

// Paper is narrower than most screens; drawn for it, labels keep their size.
const paperWidth = 680;
let printing = false,
  pending = 0;
addEventListener("beforeprint", () => {
  printing = true;
  drawn.forEach((entry) => entry.redraw(paperWidth));
});
addEventListener("afterprint", () => {
  printing = false;
  drawn.forEach((entry) => entry.redraw());
});
new ResizeObserver(() => {
  cancelAnimationFrame(pending);
  pending = requestAnimationFrame(() => printing || redrawWhereWidthChanged());
}).observe(document.getElementById("main"));
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
document.documentElement.dataset.ready = "yes";
