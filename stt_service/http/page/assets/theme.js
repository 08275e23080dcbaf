// Sets the chosen theme and language before the first paint; a classic script, because modules run after it.
(() => {
  let chosen = { theme: "system", interfaceLanguage: "" };
  try {
    chosen = { ...chosen, ...JSON.parse(localStorage.getItem("stt-settings") ?? "{}") };
  } catch {
    // Without storage the page follows the system.
  }
  if (chosen.theme === "light" || chosen.theme === "dark") document.documentElement.dataset.theme = chosen.theme;
  const language = chosen.interfaceLanguage || navigator.language || "en"; // as in strings.js, which is loaded later
  document.documentElement.lang = language.startsWith("ru") ? "ru" : "en";
})();
