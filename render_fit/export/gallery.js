const PAGE = 200;  // cards that the page holds at a time, more when it is scrolled; the style hides the others at first
const list = document.getElementById("cards");
const all = [...list.children], collator = new Intl.Collator(undefined, {numeric: true});
const text = new Map(), figures = new Map();  // read once: of thousands of cards it takes time
let found = all, shown = 0, status = "", opened = -1;

const reason = card => card.querySelector(".reason").textContent;
const words = card => {
  if (!text.has(card)) text.set(card, [card.dataset.name, card.dataset.image, reason(card)].join(" ").toLowerCase());
  return text.get(card);
};
const figure = (card, key) => {
  if (key === "name") return card.dataset.name;
  if (key === "status") return {failed: 0, poor: 1, ok: 2}[card.dataset.status] ?? 0;
  if (!figures.has(card)) {
    const cells = [...card.querySelectorAll("dd")].map(cell => [cell.dataset.key, cell.dataset.value]);
    figures.set(card, Object.fromEntries(cells));
  }
  return figures.get(card)[key] ?? "";
};

const append = () => {
  list.append(...found.slice(shown, shown + PAGE));
  shown = Math.min(shown + PAGE, found.length);
};
const fill = () => {  // as much as can be seen, and one page more
  while (shown < found.length && part("more").getBoundingClientRect().top < 2 * innerHeight) append();
};
const show = () => {
  list.replaceChildren();
  list.classList.add("paged");
  shown = 0;
  append();
  part("count").textContent = `${found.length.toLocaleString()} of ${all.length.toLocaleString()}`;
  part("nothing").hidden = found.length > 0;
  scrollTo(0, 0);  // another order or choice begins at its top
};
const select = () => {
  const wanted = part("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  found = all.filter(card => (!status || card.dataset.status === status) && wanted.every(word => words(card).includes(word)));
  show();
};
const order = () => {
  const key = part("sort").value, up = part("direction").getAttribute("aria-label") === "ascending";
  const values = new Map(all.map(card => [card, figure(card, key)]));
  all.sort((a, b) => {
    const x = values.get(a), y = values.get(b);
    if (x === "" || y === "") return (x === "") - (y === "");  // what has no figure comes last, both ways
    const difference = key === "name" ? collator.compare(x, y) : x - y;
    return (up ? difference : -difference) || collator.compare(a.dataset.name, b.dataset.name);
  });
  select();
};
const setDirection = up => {
  part("direction").setAttribute("aria-label", up ? "ascending" : "descending");
  part("direction").textContent = up ? "\u2191" : "\u2193";
};
const setStatus = chosen => {
  status = chosen;
  for (const button of document.querySelectorAll(".statuses button"))
    button.setAttribute("aria-pressed", button.dataset.status === status);
  select();
};

const loadSide = card => {
  const side = card.querySelector(".side");
  if (side && !side.src) side.src = side.dataset.src;
};
const near = new IntersectionObserver(seen => {
  for (const {isIntersecting, target} of seen) if (isIntersecting && document.body.classList.contains("sides")) loadSide(target);
}, {rootMargin: "300px"});
const setSides = wanted => {
  document.body.classList.toggle("sides", wanted);
  part("side").setAttribute("aria-pressed", wanted);
  near.disconnect();
  if (wanted) for (const card of all) near.observe(card);
};

const open = index => {
  if (index < 0 || index >= found.length) return;
  opened = index;
  while (shown <= index) append();
  const card = found[index], dialog = part("large"), folder = card.querySelector(".name a");
  dialog.querySelector("h2").textContent = card.dataset.name;
  const badge = dialog.querySelector(".status");
  badge.textContent = card.dataset.status;
  badge.className = card.querySelector(".status").className;
  dialog.querySelector(".reason").textContent = reason(card);
  dialog.querySelector(".figures").replaceWith(card.querySelector(".figures").cloneNode(true));
  const link = dialog.querySelector("form a");
  link.href = folder.href;
  link.textContent = "files";
  dialog.querySelector(".views").replaceChildren(...[...card.querySelectorAll(".links a")].map(one => {
    const image = new Image();
    image.src = one.href;
    image.alt = card.dataset.name + ": " + one.textContent;
    image.onload = () => image.style.flexGrow = image.naturalWidth / image.naturalHeight;  // all of one height, in one row
    return image;
  }));
  if (!dialog.open) dialog.showModal();
};

const columns = () => getComputedStyle(list).gridTemplateColumns.split(" ").length;
const focus = index => {
  if (index < 0 || index >= found.length) return;
  while (shown <= index) append();
  const target = found[index].querySelector(".picture");
  target.focus();
  found[index].scrollIntoView({block: "nearest"});
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const steps = {ArrowLeft: -1, ArrowRight: 1};
  if (part("large").open) {
    if (event.key in steps) { open(opened + steps[event.key]); event.preventDefault(); }
    return;
  }
  if (part("keys").open) return;
  const typing = /^(INPUT|SELECT)$/.test(document.activeElement.tagName);
  if (event.key === "Escape" && document.activeElement === part("filter")) {
    part("filter").value = "";
    part("filter").blur();
    select();
  }
  if (typing) return;
  const moves = {...steps, ArrowUp: -columns(), ArrowDown: columns()};
  if (event.key in moves) {
    const at = found.indexOf(document.activeElement.closest(".cards > li"));
    focus(at < 0 ? 0 : at + moves[event.key]);
  } else if (event.key === "/") part("filter").focus();
  else if (event.key === "s") setSides(!document.body.classList.contains("sides"));
  else if (event.key === "d") part("theme").click();
  else if (event.key === "?") part("keys").showModal();
  else return;
  event.preventDefault();
});
list.addEventListener("click", event => {
  const picture = event.target.closest(".picture");
  if (!picture || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(found.indexOf(picture.closest("li")));
});
list.addEventListener("pointerover", event => {
  const card = event.target.closest(".cards > li");
  if (card) loadSide(card);
});
part("large").addEventListener("close", () => focus(opened));
part("large").addEventListener("click", event => { if (event.target === part("large")) part("large").close(); });
part("filter").addEventListener("input", select);
part("nothing").querySelector("button").addEventListener("click", () => { part("filter").value = ""; setStatus(""); });
document.querySelector(".statuses").addEventListener("click", ({target}) => {
  if ("status" in target.dataset) setStatus(target.dataset.status);
});
part("sort").addEventListener("change", () => { setDirection(["name", "keypoint_error_px"].includes(part("sort").value)); order(); });
part("direction").addEventListener("click", () => { setDirection(part("direction").textContent === "\u2193"); order(); });
part("side").addEventListener("click", () => setSides(!document.body.classList.contains("sides")));
part("help").addEventListener("click", () => part("keys").showModal());
addEventListener("scroll", fill, {passive: true});
addEventListener("resize", fill);

order();
