// Files that are dropped anywhere on the page, or pasted.

/** Give the files that are dropped or pasted to `take(files)`. */
export function listenForFiles(take) {
  let depth = 0; // of the elements over which something is dragged
  const drag = (change) => {
    depth = change === null ? 0 : depth + change;
    document.body.classList.toggle("dragged", depth > 0);
  };
  const onFiles = (name, action) => addEventListener(name, (event) => {
    if (event.dataTransfer?.types.includes("Files")) action(event);
  });
  onFiles("dragenter", () => drag(+1));
  onFiles("dragleave", () => drag(-1));
  onFiles("dragover", (event) => event.preventDefault());
  onFiles("drop", (event) => {
    event.preventDefault();
    drag(null);
    take(event.dataTransfer.files);
  });
  addEventListener("paste", ({ clipboardData }) => take(clipboardData?.files ?? []));
}
