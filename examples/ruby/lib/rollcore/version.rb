# frozen_string_literal: true

module Rollcore
  # Of this gem. The library's is Rollcore.version.
  VERSION = "0.1.0"
end
