// Words with İ are in the index with i: see on_post_build in tools/site/hook.py. Hyphens before a word, as of an option,
// would exclude it from what is found.
document.addEventListener(
  "input",
  ({ target }) => {
    if (!target.matches("[data-md-component=search-query]")) return;
    const query = target.value.replaceAll("İ", "i").replace(/(^|\s)-+/g, "$1");
    if (query !== target.value) target.value = query;
  },
  true,
);
