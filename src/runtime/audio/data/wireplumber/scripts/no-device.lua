-- A program that records or plays where there is no such device is told so: its stream ends. Without
-- this it would be given the loudspeaker's own sound for a microphone, or wait.

local kPatience = 1000 -- ms: both come at the same time when the instance starts

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

  local function look()
    if devices:get_n_objects() > 0 then return end
    for stream in streams:iterate() do
      Log.info(stream, "no " .. device_class .. " for it")
      stream:request_destroy()
    end
  end

  streams:connect("object-added", function()
    if devices:get_n_objects() > 0 then return end
    Core.timeout_add(kPatience, function()
      look()
      return false
    end)
  end)
  devices:connect("object-removed", look)
  streams:activate()
  devices:activate()
  return { devices, streams }
end

kept = {
  watch("Audio/Source", "Stream/Input/Audio"),
  watch("Audio/Sink", "Stream/Output/Audio"),
}
