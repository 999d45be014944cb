import Controller from "velocious/build/src/controller.js"

import release from "./release.js"

/** What every controller of this application does: it tells which release answers. */
export default class ApplicationController extends Controller {
  nameTheRelease() {
    this.response().setHeader("X-Release", release)
  }
}

ApplicationController.beforeAction("nameTheRelease")
