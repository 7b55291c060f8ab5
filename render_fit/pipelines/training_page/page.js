const slider = part("step"), steps = [...document.querySelectorAll(".strip button")];
const showDark = () => document.body.classList.toggle("dark", isDark());
new MutationObserver(showDark).observe(part("theme"), {childList: true});
showDark();

const follow = chosen => {  // scrolls the strip, between its two columns that stay
  const strip = document.querySelector(".strip"), [seen, box] = [strip, chosen].map(one => one.getBoundingClientRect());
  const edge = strip.firstElementChild.offsetWidth;
  strip.scrollLeft += Math.max(0, box.right - seen.right + edge) + Math.min(0, box.left - seen.left - edge);
};
const show = number => {
  const chosen = steps[number], image = part("sheet").firstElementChild;
  slider.value = number;
  image.src = part("sheet").href = chosen.dataset.path;
  part("at").textContent = chosen.textContent;
  for (const step of steps) step.setAttribute("aria-current", step === chosen);
  follow(chosen);
};
let playing = 0;
const play = wanted => {
  clearInterval(playing);
  playing = 0;
  part("play").textContent = wanted ? "stop" : "play";
  if (!wanted) return;
  if (+slider.value === steps.length - 1) show(0);
  playing = setInterval(() => {
    if (+slider.value < steps.length - 1) show(+slider.value + 1);
    else play(false);
  }, 700);
};
if (slider) {
  for (const step of steps) new Image().src = step.dataset.path;  // so that they do not flicker when they are shown
  steps.forEach((step, number) => step.addEventListener("click", () => { play(false); show(number); }));
  slider.addEventListener("input", () => { play(false); show(+slider.value); });
  part("play").addEventListener("click", () => play(!playing));
  show(steps.length - 1);
}
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const move = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (event.key === "d") part("theme").click();
  else if (event.key === " " && slider && document.activeElement === document.body) play(!playing);
  else if (move && slider && document.activeElement !== slider) {
    play(false);
    show(Math.min(steps.length - 1, Math.max(0, +slider.value + move)));
  } else return;
  event.preventDefault();
});
