import Migration from "velocious/build/src/database/migration/index.js"

export default class CreateNotes extends Migration {
  async up() {
    await this.createTable("notes", (t) => {
      t.text("body", {null: false})
      t.timestamps()
    })
  }

  async down() {
    await this.dropTable("notes")
  }
}
