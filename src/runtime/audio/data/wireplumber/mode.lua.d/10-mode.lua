components = {}

local function add(name, kind, args)
  components[#components + 1] = { name, type = kind, args = args }
end

local function module(name, args)
  add("libwireplumber-module-" .. name, "module", args)
end

-- Where the default devices are told; without it there are none.
module("metadata")
module("default-nodes", { ["use-persistent-storage"] = false, ["auto-echo-cancel"] = false })
module("si-node")
module("si-audio-adapter")
module("si-standard-link")
module("si-audio-endpoint")
module("default-nodes-api")
module("mixer-api")

local policy = { ["move"] = true, ["follow"] = true, ["audio.no-dsp"] = false }
add("create-item.lua", "script/lua", policy)
add("policy-node.lua", "script/lua", policy)
add("streams.lua", "script/lua")
