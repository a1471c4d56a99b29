-- What becomes of a program's stream that nobody links. Where there is no such device it is told so: its
-- stream ends. Without this it would be given the loudspeaker's own sound for a microphone, or wait.
-- Where there is one, the policy looks again: at the start of an instance WirePlumber (0.4.13) now and
-- then drops a link whose ends were still in the making, and has it forgotten, or stays with another.

local kPatience = 1000 -- ms: all come at the same time when the instance starts
local kTries = 10

local metadatas = ObjectManager { Interest { type = "metadata", Constraint { "metadata.name", "=", "default" } } }
local links = ObjectManager { Interest { type = "link" } }

-- To one of these devices. A link to the loudspeaker's own sound is none.
local function is_linked(node, devices)
  local ends = {}
  for device in devices:iterate() do ends[tostring(device["bound-id"])] = true end
  local id = tostring(node["bound-id"])
  for link in links:iterate() do
    local from, to = tostring(link.properties["link.output.node"]), tostring(link.properties["link.input.node"])
    if (from == id and ends[to]) or (to == id and ends[from]) then return true end
  end
  return false
end

local function watch(device_class, stream_class)
  local devices = ObjectManager {
    Interest { type = "node", Constraint { "media.class", "=", device_class, type = "pw-global" } }
  }
  local streams = ObjectManager {
    Interest {
      type = "node",
      Constraint { "media.class", "=", stream_class, type = "pw-global" },
      Constraint { "stream.capture.sink", "-", type = "pw" },
    }
  }

  local function end_all()
    if devices:get_n_objects() > 0 then return end
    for stream in streams:iterate() do
      Log.info(stream, "no " .. device_class .. " for it")
      stream:request_destroy()
    end
  end

  local function look_at(id, tries)
    local stream = streams:lookup { Constraint { "bound-id", "=", id, type = "gobject" } }
    if not stream then return end
    if devices:get_n_objects() == 0 then return end_all() end
    if is_linked(stream, devices) or tries == 0 then return end
    local metadata = metadatas:lookup()
    if metadata then metadata:set(id, "target.object", "Spa:Id", "-1") end
    Core.timeout_add(kPatience, function()
      look_at(id, tries - 1)
      return false
    end)
  end

  streams:connect("object-added", function(_, stream)
    local id = stream["bound-id"]
    Core.timeout_add(kPatience, function()
      look_at(id, kTries)
      return false
    end)
  end)
  devices:connect("object-removed", end_all)
  streams:activate()
  devices:activate()
  return { devices, streams }
end

metadatas:activate()
links:activate()
kept = {
  watch("Audio/Source", "Stream/Input/Audio"),
  watch("Audio/Sink", "Stream/Output/Audio"),
}
