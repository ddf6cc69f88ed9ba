// A session that is over leads to the sign-in page, also when nobody clicks.
(() => {
  const look = async () => {
    try {
      const answer = await fetch("/signed-in", { cache: "no-store" });
      if (answer.status === 401) {
        const here = location.pathname + location.search;
        location.href = "/login?expired=1&next=" + encodeURIComponent(here);
      }
    } catch (error) { /* the console is away: its own message says so */ }
  };
  setInterval(look, 30000);
  document.addEventListener("visibilitychange", () => document.hidden || look());
  const wait = setInterval(() => {
    if (!window.socket) return;
    clearInterval(wait);
    window.socket.on("disconnect", look);
  }, 200);
})();
