// Keys stay in the page's memory: the header editor is filled with a placeholder and never stored.
const headers = JSON.stringify({ Authorization: "prv_test_…" }, null, 2);

ReactDOM.render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: window.location.pathname }),
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
    headers,
    defaultHeaders: headers,
    defaultEditorToolsVisibility: "headers",
  }),
  document.getElementById("graphiql"),
);
