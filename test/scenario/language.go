package scenario

// language is every sentence of a scenario but those that begin with "given". Of two
// that fit, the first one counts.
var language = []sentence{
	// The cluster.
	{"service NAME port PORTS...", (*player).service},
	{"delete service NAME", (*player).deleteService},
	{"pod NAME of SERVICES at ADDRESSES [on NODE] STATE...", (*player).pod},
	{"pods N of SERVICES from ADDRESS [on NODE] STATE...", (*player).pods},
	{"ready PODS...", (*player).ready},
	{"unready PODS...", (*player).unready},
	{"open gate GATE of PODS...", (*player).openGate},
	{"terminate PODS...", (*player).terminate},
	{"finish PODS...", (*player).finish},
	{"remove PODS...", (*player).remove},
	{"replace POD STATE...", (*player).replace},
	{"node NAME is STATE...", (*player).node},
	{"select NAME by SELECTOR", (*player).selectBy},
	{"slices lag DURATION", (*player).slicesLag},
	{"slices stop", (*player).slicesStop},
	{"slices go on", (*player).slicesGoOn},
	{"slice NAME of SERVICE port PORT with ADDRESSES...", (*player).slice},
	{"delete slice NAME", (*player).deleteSlice},
	{"apply FILE", (*player).apply},

	// The account.
	{"group NAME of service SERVICE port PORT", (*player).group},
	{"bind NAME", (*player).bind},
	{"unbind NAME", (*player).unbind},
	{"load balancer NAME forwards to GROUPS...", (*player).balancer},
	{"somebody registers GROUP TARGETS...", (*player).somebodyRegisters},
	{"somebody deregisters GROUP TARGETS...", (*player).somebodyDeregisters},

	// The daemon, and time.
	{"start [NAME]", (*player).start},
	{"stop [NAME]", (*player).stop},
	{"kill [NAME]", (*player).kill},
	{"wait DURATION", (*player).wait},

	// What goes wrong with AWS.
	{"AWS throttles ACTION [N times]", (*player).throttles},
	{"AWS answers ACTION with CODE [N times]", (*player).answers},
	{"AWS refuses ADDRESS", (*player).refuses},
	{"AWS loses the answer to ACTION [N times]", (*player).loses},
	{"AWS resets ACTION [N times]", (*player).resets},
	{"AWS is late by DURATION with ACTION [N times]", (*player).late},
	{"AWS takes DURATION more for ACTION [N times]", (*player).slow},
	{"AWS reads are stale by DURATION [N times]", (*player).stale},
	{"AWS recovers", (*player).awsRecovers},

	// What goes wrong with the API server.
	{"the API server delays KIND by DURATION [for NAME]", (*player).delays},
	{"the API server takes DURATION to list KIND", (*player).lists},
	{"the API server fails to list KIND", (*player).failsLists},
	{"the API server cuts watches", (*player).cuts},
	{"the API server expires watches", (*player).expires},
	{"the API server forgets its events", (*player).forgetsEvents},
	{"the API server is down", (*player).down},
	{"the API server is up", (*player).up},
	{"the API server is out of reach for NAME", (*player).outOfReach},
	{"the API server recovers", (*player).apiRecovers},

	// What is expected.
	{"registered GROUP TARGETS...", (*player).registered},
	{"draining GROUP TARGETS...", (*player).drains},
	{"calls within DURATION:", (*player).calls},
	{"no calls within DURATION", (*player).noCalls},
	{"everything called within DURATION:", (*player).everythingCalled},
	{"forget calls", (*player).forgetCalls},
	{"zone of ADDRESS in GROUP is ZONE", (*player).zone},
	{"read GROUP N times within DURATION", (*player).reads},
	{"pending OPERATION N", (*player).pending},
	{"parked REASON [N]", (*player).parked},
	{"metric NAME VALUE", (*player).metric},
	{"event REASON on KIND NAME [saying TEXT...]", (*player).event},
	{"no event REASON", (*player).noEvent},
	{"leader NAME", (*player).leader},
	{"settled", (*player).settled},
}
