-- UDP of 64, 128, 256, 512, 1024 and 1518 bytes to Weir's address at full rate: what the port and the worker take of each.
-- Arguments are the first lines; the MAC address is that of Weir's port (weirctl status).
local port = "0"
local weir_mac = "02:00:00:00:00:01"
local weir_address = "10.77.0.1"
local seconds = 5

local function sweep(set, first, last, step)
	set(port, "start", first)
	set(port, "min", first)
	set(port, "max", last)
	set(port, "inc", step)
end

local function packets()
	return pktgen.portStats(port, "port")[tonumber(port)].opackets
end

pktgen.screen("off")
pktgen.set_type(port, "ipv4")
pktgen.range.ip_proto(port, "udp")
sweep(pktgen.range.dst_mac, weir_mac, weir_mac, "00:00:00:00:00:00")
sweep(pktgen.range.src_ip, "198.18.0.1", "198.19.255.254", "0.0.0.1")
sweep(pktgen.range.dst_ip, weir_address, weir_address, "0.0.0.0")
sweep(pktgen.range.src_port, 1024, 65000, 1)
sweep(pktgen.range.dst_port, 80, 80, 0)
pktgen.set(port, "count", 0)
pktgen.set(port, "rate", 100)
print("bytes sent/s")
for _, size in ipairs({ 64, 128, 256, 512, 1024, 1518 }) do
	sweep(pktgen.range.pkt_size, size, size, 0)
	pktgen.set_range(port, "on")
	pktgen.start(port)
	pktgen.delay(1000)
	local before = packets()
	pktgen.delay(seconds * 1000)
	print(string.format("%d %.0f", size, (packets() - before) / seconds))
	pktgen.stop(port)
	pktgen.delay(500)
end
pktgen.screen("on")
