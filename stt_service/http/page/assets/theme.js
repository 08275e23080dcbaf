// Sets the chosen theme and language before the first paint; a classic script, because modules run after it.
(() => {
  try {
    const { theme, interfaceLanguage } = JSON.parse(localStorage.getItem("stt-settings") ?? "{}");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    const language = interfaceLanguage || navigator.language || "en";
    document.documentElement.lang = language.startsWith("ru") ? "ru" : "en";
  } catch {
    // Without storage the page follows the system.
  }
})();
