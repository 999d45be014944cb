import VelociousJob from "velocious/build/src/background-jobs/job.js"
import {setTimeout as pause} from "node:timers/promises"

import Recording from "../models/recording.js"
import release from "../release.js"

const SAMPLE_EVERY_MS = 100

/** Records until somebody stops the recording, however long that takes: longer than a deploy, for example. */
export default class RecordJob extends VelociousJob {
  async perform(id) {
    let recording = await Recording.find(id)

    await recording.update({state: "recording", workerPid: process.pid, workerRelease: release})

    while (!recording.stopRequested()) {
      await pause(SAMPLE_EVERY_MS)
      recording = await Recording.find(id)
      await recording.update({samples: recording.samples() + 1})
    }

    await recording.update({state: "done"})
  }
}
