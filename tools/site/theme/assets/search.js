// Words with İ are in the index with i: see on_post_build in tools/site/hook.py.
document.addEventListener(
  "input",
  ({ target }) => {
    if (target.matches("[data-md-component=search-query]") && target.value.includes("İ")) {
      target.value = target.value.replaceAll("İ", "i");
    }
  },
  true,
);
