// What the scripts of the page share, and light and dark. Text is set as text, never as HTML.
"use strict";
const at = (id) => document.getElementById(id);
const all = (query, root = document) => [...root.querySelectorAll(query)];

const make = (name, properties = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

const data = (id) => JSON.parse(at(id).textContent);

// A number in data stands for what several places share.
const whole = (part, shared) => {
  if (typeof part === "number") return whole(shared[part], shared);
  return Array.isArray(part) ? part.map((one) => whole(one, shared)) : part;
};

// What is wider than the window reports that it scrolls

const sides = () => {
  for (const box of all(".scroll, .drawing")) {
    const wide = box.scrollWidth > box.clientWidth + 1;
    (box.querySelector("table") ?? box).classList.toggle("sideways", wide);
  }
};
addEventListener("resize", sides);

// Light and dark

{
  const themes = ["system", "light", "dark"];
  const theme = at("theme");
  const remember = {
    get: () => { try { return localStorage.getItem("seaformer-theme"); } catch { return null; } },
    set: (name) => { try { localStorage.setItem("seaformer-theme", name); } catch { /* not kept */ } },
  };
  const dress = (name) => {
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    theme.textContent = `Theme: ${name}`;
    theme.dataset.now = name;
  };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(theme.dataset.now) + 1) % themes.length];
    dress(next);
    remember.set(next);
  });
  dress(themes.includes(remember.get()) ? remember.get() : "system");
}
