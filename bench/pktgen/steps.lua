-- Rates in steps, from 10 to 100 % of the line: what is sent, and what comes back, a second.
-- Load one of the .pkt files first: pktgen ... -- -f syn.pkt, then "load steps.lua" at its prompt.
local port = "0"
local seconds = 5

local function packets()
	local s = pktgen.portStats(port, "port")[tonumber(port)]
	return s.opackets, s.ipackets
end

pktgen.screen("off")
print("rate_percent sent/s received/s")
for _, rate in ipairs({ 10, 20, 30, 40, 50, 60, 70, 80, 90, 100 }) do
	pktgen.set(port, "rate", rate)
	pktgen.start(port)
	pktgen.delay(1000)
	local sent, received = packets()
	pktgen.delay(seconds * 1000)
	local sent_after, received_after = packets()
	pktgen.stop(port)
	pktgen.delay(500)
	print(string.format("%d %.0f %.0f", rate, (sent_after - sent) / seconds, (received_after - received) / seconds))
end
pktgen.screen("on")
