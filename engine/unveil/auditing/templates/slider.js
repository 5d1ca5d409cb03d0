// Without this script the two pictures stand side by side; with it one lies over the other.
for (const compare of document.querySelectorAll(".compare")) {
  const slider = compare.querySelector("input");
  const move = () => {
    compare.style.setProperty("--split", slider.value / 100);
    slider.setAttribute("aria-valuetext", `${slider.value} % call, ${100 - slider.value} % room`);
  };
  compare.classList.add("overlaid");
  slider.hidden = false;
  slider.addEventListener("input", move);
  move();
}
