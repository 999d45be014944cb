# frozen_string_literal: true

# Puts librollcore into the gem: `ruby bundle.rb path/to/librollcore.so`. Without it, the gem loads the library that the
# system has.

require "fileutils"

library = ARGV.fetch(0) { File.expand_path("../../target/release/librollcore.so", __dir__) }
bundled = File.join(__dir__, "lib", "rollcore", "librollcore.so")
FileUtils.cp(library, bundled)
# What a debugger would want is most of it. A machine without `strip` ships it as it is.
system("strip", "--strip-unneeded", bundled)
