// Search where the site is opened as files, without a server: browsers start no worker of a file's address.
// The worker's script then runs in a frame of its own, which talks by messages as a worker does.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.ready = new Promise((resolve) => this.frame.addEventListener("load", resolve, { once: true }));
      document.body.append(this.frame);
      const inside = this.frame.contentDocument;
      inside.open();
      inside.write(
        "<script>" +
          "var answer = (data) => parent.dispatchEvent(new MessageEvent('message', { data, source: window }));" +
          "window.postMessage = answer;" +
          "window.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => " +
          "new Promise((done) => { const one = document.createElement('script'); one.src = url; " +
          "one.onload = done; document.body.append(one); })), Promise.resolve());" +
          "<\/script><body><script src=\"" + url + "\"><\/script>",
      );
      inside.close();
      window.addEventListener("message", (event) => {
        if (event.source !== this.frame.contentWindow) return;
        const answer = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(answer);
        if (this.onmessage) this.onmessage(answer);
      });
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
