// Runs once for each part of the page; `element` is the part, `trigger` sends an event to Python.
let corner = null;

element.addEventListener("click", (event) => {
  const scroll = event.target.closest("[data-scroll]");
  if (scroll) return element.querySelector("#" + scroll.dataset.scroll).scrollIntoView({ behavior: "smooth", block: "center" });
  const stage = element.querySelector(".stage");
  if (event.target.closest(".corners")) return toggle(stage, event.target.closest(".corners"));
  if (stage && stage.classList.contains("cornering") && stage.contains(event.target)) return setCorner(stage, event);
  const target = event.target.closest("[data-act]");
  if (target) trigger("act", { ...target.dataset });
});

function toggle(stage, button) {
  corner = null;
  stage.querySelectorAll(".corner").forEach((mark) => mark.remove());
  button.setAttribute("aria-pressed", stage.classList.toggle("cornering"));
}

function setCorner(stage, event) {
  const place = stage.getBoundingClientRect();
  const x = (event.clientX - place.left) / place.width, y = (event.clientY - place.top) / place.height;
  const point = [x * stage.dataset.width, y * stage.dataset.height];
  const mark = document.createElement("i");
  mark.className = "corner";
  mark.style.left = 100 * x + "%";
  mark.style.top = 100 * y + "%";
  stage.append(mark);
  if (corner) trigger("act", { act: "box", corners: [...corner, ...point] });
  corner = corner ? null : point;
}

// What appears out of sight is scrolled to.
watch("value", () => {
  corner = null;
  const place = element.getBoundingClientRect();
  if (element.querySelector(".stage, .query") && (place.bottom < 0 || place.top > window.innerHeight - 80))
    element.scrollIntoView({ behavior: "smooth", block: "start" });
});

function upload(file) {
  const zone = element.querySelector(".drop"), error = element.querySelector(".note");
  if (!zone || !file) return;
  error.hidden = file.size <= zone.dataset.most;
  error.textContent = `${file.name} has ${(file.size / 2 ** 20).toFixed(1)} MB: expected a smaller picture`;
  if (!error.hidden) return;
  const reader = new FileReader();
  reader.onload = () => trigger("act", { act: "upload", name: file.name, content: reader.result.split(",")[1] || "" });
  reader.readAsDataURL(file);
}

element.addEventListener("change", (event) => {
  upload(event.target.files && event.target.files[0]);
  event.target.value = "";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  element.addEventListener(kind, (event) => {
    const zone = element.querySelector(".drop");
    if (!zone) return;
    event.preventDefault();
    zone.classList.toggle("over", kind === "dragover");
    if (kind === "drop") upload(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => upload(event.clipboardData && event.clipboardData.files[0]));
