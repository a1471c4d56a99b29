components = {}

local function add(name, kind, args)
  components[#components + 1] = { name, type = kind, args = args }
end

local function module(name, args)
  add("libwireplumber-module-" .. name, "module", args)
end

module("metadata")

-- No bus, and nobody else who would want a device.
add("monitors/alsa.lua", "script/lua", {
  properties = { ["alsa.reserve"] = false },
  -- Without a microphone WirePlumber would have who records hear the loudspeaker, and so another mode.
  -- It links no two of a group.
  rules = {
    {
      matches = { { { "node.name", "matches", "alsa_output.*" } } },
      apply_properties = { ["node.link-group"] = "pmos-loudspeakers" },
    },
  },
})

module("default-nodes", { ["use-persistent-storage"] = false, ["auto-echo-cancel"] = false })
add("policy-device-profile.lua", "script/lua", { persistent = {} })
add("policy-device-routes.lua", "script/lua", { ["use-persistent-storage"] = false })

module("si-node")
module("si-audio-adapter")
module("si-standard-link")
module("si-audio-endpoint")
module("default-nodes-api")
module("mixer-api")

local policy = { ["move"] = true, ["follow"] = true, ["audio.no-dsp"] = false }
add("create-item.lua", "script/lua", policy)
add("policy-node.lua", "script/lua", policy)

-- A device that nobody uses is closed.
add("suspend-node.lua", "script/lua")
