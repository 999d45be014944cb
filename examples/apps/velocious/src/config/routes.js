import Routes from "velocious/build/src/routes/index.js"

const routes = new Routes()

routes.draw((route) => {
  route.get("ping")
  route.get("jobs")
  route.resources("notes")
  route.resources("recordings", (recordings) => {
    recordings.post("stop")
  })
})

export default {routes}
