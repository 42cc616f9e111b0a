// What every page has: its theme, its footer, and plots that keep fitting.

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

// `made`: who made the page, and with which settings.
function footer(made) {
  document
    .getElementById("footer")
    .append(
      h("p", {}, made),
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

// Paper is narrower than most screens; drawn for it, labels keep their size.
const paperWidth = 680;

// Once everything is there.
function settle() {
  redrawWhereWidthChanged();
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
}
