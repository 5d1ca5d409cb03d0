// Says which features of the page the browser lacks, in words that any browser can run.
//
// A classic script in old syntax: a browser that cannot run the modules still gets a message.
// `document.documentElement.dataset.missing` is set if the page cannot work; main.js then stops.

(function () {
  "use strict";

  function missingFeatures() {
    var missing = [];
    if (!("noModule" in document.createElement("script"))) missing.push("JavaScript modules");
    if (!("WebSocket" in window)) missing.push("WebSocket");
    if (!("VideoFrame" in window)) missing.push("VideoFrame (WebCodecs)");
    if (
      !("MediaStreamTrackProcessor" in window) &&
      !("requestVideoFrameCallback" in HTMLVideoElement.prototype)
    ) {
      missing.push("MediaStreamTrackProcessor or requestVideoFrameCallback");
    }
    if (!("OffscreenCanvas" in window)) missing.push("OffscreenCanvas");
    if (!("structuredClone" in window)) missing.push("structuredClone");
    return missing;
  }

  var text = "";
  if (window.isSecureContext === false) {
    text =
      "The browser gives the camera only to pages from https:// or from this computer " +
      "(http://127.0.0.1 or http://localhost), and this page is from " +
      window.location.origin +
      ". Forward the port instead, for example with: ssh -L 8765:127.0.0.1:8765 HOST";
  } else if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) {
    text = "This browser lacks getUserMedia, without which no page can use the camera.";
  } else {
    var missing = missingFeatures();
    if (missing.length > 0) {
      text =
        "This browser is too old for the page. It lacks: " +
        missing.join(", ") +
        ". Chromium, Chrome, Edge 94 and Firefox 132, or later, have it.";
    }
  }
  if (text !== "") {
    var notice = document.getElementById("unsupported");
    document.documentElement.setAttribute("data-missing", text);
    notice.textContent = text;
    notice.hidden = false;
  }
})();
