
"use strict";
// Typeset every formula; without this script the page shows their LaTeX.
document.querySelectorAll(".math").forEach(function (element) {
  // Displayed size, but set as a line of text, which may break at operators where the screen is narrow.
  let size = element.classList.contains("display") ? "\\displaystyle " : "";
  katex.render(size + element.dataset.latex, element, {
    throwOnError: false,
    trust: false,
    maxExpand: 1000,
    maxSize: 50,
  });
});
// A link into folded steps opens them.
function reveal() {
  let target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) {
    if (at.tagName === "DETAILS") at.open = true;
  }
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();
// Paper cannot be clicked: print with everything unfolded.
addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (element) { element.open = true; });
});
