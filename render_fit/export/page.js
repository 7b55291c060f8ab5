"use strict";
const root = document.documentElement, part = id => document.getElementById(id);
const remember = (key, value) => { try { localStorage.setItem("render-fit " + key, value); } catch {} };
const remembered = key => { try { return localStorage.getItem("render-fit " + key); } catch { return null; } };

const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const setTheme = theme => {
  if (theme) root.dataset.theme = theme;
  part("theme").textContent = isDark() ? "light" : "dark";
};

part("theme").addEventListener("click", () => { const next = isDark() ? "light" : "dark"; setTheme(next); remember("theme", next); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(null));
setTheme(remembered("theme"));
