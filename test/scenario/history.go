package scenario

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// history draws a random scenario, sentence by sentence, with just enough of a model to
// write none that makes no sense. What it makes is a text: a failing history can be
// saved in testdata as it is.
type history struct {
	rt       *rapid.T
	lines    []string
	kind     kind
	replicas []string // names of the daemons that may run
	running  map[string]bool
	services map[string]bool
	pods     map[string]*podModel
	stopped  bool // the EndpointSlice controller
	down     bool // the API server
	refuses  bool // AWS refuses to register what drains, from whomever
}

// podModel is what the generator has to know of a pod.
type podModel struct {
	service, ip, gate    string
	terminating, running bool
}

// kind says what may go wrong in a history. What nobody can notice but by an audit needs
// one: the others must come to rest without.
type kind string

const (
	// plain has all faults but those below.
	plain kind = "plain"
	// late has calls that take effect after the daemon gave up. Who is stopped meanwhile
	// takes the knowledge of it along, so nobody is.
	late kind = "late"
	// audited has everything, others that change targets and reads of the past included.
	audited kind = "audited"
)

// What a history is made of.
var (
	serviceNames = []string{"web", "api"}
	podNamePool  = []string{"p-1", "p-2", "p-3", "p-4", "p-5", "p-6"}
	addressPool  = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"}
	// Half of a call, a call, a call and the gap after it, reconnecting, looking twice,
	// the grace period.
	pauses = []string{"", "", "", "30ms", "30ms", "70ms", "250ms", "1s", "3s", "10s", "40s", "70s"}
)

// drawHistory draws a history.
func drawHistory(rt *rapid.T) string {
	h := &history{
		rt: rt, running: map[string]bool{}, services: map[string]bool{}, pods: map[string]*podModel{}, replicas: []string{""},
		kind: rapid.SampledFrom([]kind{plain, late, audited}).Draw(rt, "kind"),
	}
	h.begin()
	rt.Repeat(h.paced())
	h.end()
	return strings.Join(h.lines, "\n") + "\n"
}

func (h *history) say(format string, args ...any) {
	h.lines = append(h.lines, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// pick draws one of several, or skips an action for which there is none.
func (h *history) pick(label string, from ...string) string {
	if len(from) == 0 {
		h.rt.Skip("no " + label)
	}
	return rapid.SampledFrom(from).Draw(h.rt, label)
}

func (h *history) begin() {
	h.say("# A history of the kind %q comes to rest where it should.", h.kind)
	h.say("given the audit interval is %s", map[kind]string{plain: "24h", late: "24h", audited: "1m"}[h.kind])
	if rapid.Bool().Draw(h.rt, "replicas") {
		h.replicas = []string{"a", "b"}
	}
	attached := rapid.Bool().Draw(h.rt, "attached")
	if attached {
		how := h.pick("draining", "cancels the drain", "is refused", "changes nothing")
		h.refuses = how == "is refused"
		h.say("given registering a draining target %s", how)
		h.say("given the deregistration delay is 40s")
	}
	for _, name := range serviceNames {
		h.putService(name)
		h.say("group %s of service %s port 80", name, name)
		h.services[name] = true
	}
	if attached {
		h.say("load balancer lb forwards to %s", strings.Join(serviceNames, " "))
	}
	h.start(h.replicas[0])
}

func (h *history) putService(name string) {
	h.services[name] = true
	h.say("service %s port 80 -> %s %s", name, h.pick("port", "8080", "8080", "9090"), h.pick("option", "", "", "publishing unready addresses"))
}

func (h *history) start(name string) {
	h.running[name] = true
	h.say("start %s", name)
}

// paced are the actions, each with a pause before it.
func (h *history) paced() map[string]func(*rapid.T) {
	actions := h.actions()
	for name, action := range actions {
		actions[name] = func(rt *rapid.T) {
			if pause := h.pick("pause", pauses...); pause != "" {
				h.say("wait %s", pause)
			}
			action(rt)
		}
	}
	return actions
}

// actions are what can happen next. What shall happen often stands here more than once.
func (h *history) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"come": h.come, "come more": h.come, "flip": h.flip, "flip more": h.flip, "gate": h.gate,
		"terminate": h.terminate, "terminate more": h.terminate, "remove": h.remove, "remove more": h.remove, "finish": h.finish,
		"slices": h.slices, "service": h.service,
		"node": h.node, "AWS": h.aws, "AWS more": h.aws, "API server": h.apiServer,
	}
	if h.kind != late {
		actions["daemon"] = h.daemon
	}
	if h.kind == audited {
		actions["somebody"] = h.somebody
	}
	return actions
}

// named returns the pods for which a condition holds, in order.
func (h *history) named(is func(*podModel) bool) []string {
	var names []string
	for _, name := range podNamePool {
		if p := h.pods[name]; p != nil && is(p) {
			names = append(names, name)
		}
	}
	return names
}

// come makes a pod. Its address is free, or that of a pod on its way out: an address is
// given away as soon as the containers have ended.
func (h *history) come(*rapid.T) {
	free := slices.DeleteFunc(slices.Clone(podNamePool), func(name string) bool { return h.pods[name] != nil })
	name := h.pick("name", free...)
	addresses := slices.DeleteFunc(slices.Clone(addressPool), func(ip string) bool {
		return len(h.named(func(p *podModel) bool { return p.ip == ip && p.running })) > 0
	})
	p := &podModel{ip: h.pick("address", addresses...), service: h.pick("of", "web", "api", "web,api"), running: true}
	p.gate = h.pick("gate", "", "", "tgsync.io/targets-ready")
	h.pods[name] = p
	gated := ""
	if p.gate != "" {
		gated = "gated by " + p.gate
	}
	h.say("pod %s of %s at %s on %s %s %s", name, p.service, p.ip, h.pick("node", "node-1", "node-2"), h.pick("state", "ready", "ready", "starting"), gated)
}

func running(p *podModel) bool { return p.running }

func (h *history) flip(*rapid.T) {
	name := h.pick("pod", h.named(running)...)
	h.say("%s %s", h.pick("to", "ready", "unready"), name)
}

func (h *history) gate(*rapid.T) {
	name := h.pick("pod", h.named(func(p *podModel) bool { return p.running && p.gate != "" })...)
	h.say("open gate %s of %s", h.pods[name].gate, name)
}

func (h *history) terminate(*rapid.T) {
	name := h.pick("pod", h.named(func(p *podModel) bool { return !p.terminating })...)
	h.say("terminate %s", name)
	if !h.pods[name].running { // what has finished goes at once
		delete(h.pods, name)
		return
	}
	h.pods[name].terminating = true
	if rapid.Bool().Draw(h.rt, "ends at once") {
		h.pods[name].running = false
		h.say("unready %s", name)
	}
}

func (h *history) finish(*rapid.T) {
	name := h.pick("pod", h.named(running)...)
	h.pods[name].running = false
	h.say("finish %s", name)
}

func (h *history) remove(*rapid.T) {
	name := h.pick("pod", h.named(func(*podModel) bool { return true })...)
	delete(h.pods, name)
	h.say("remove %s", name)
}

func (h *history) slices(*rapid.T) {
	switch h.pick("slices", "lag", "lag", "stop") {
	case "lag":
		h.say("slices lag %s", h.pick("lag", "0s", "500ms", "3s", "20s"))
	default:
		h.say("slices %s", map[bool]string{true: "go on", false: "stop"}[h.stopped])
		h.stopped = !h.stopped
	}
}

func (h *history) service(*rapid.T) {
	name := h.pick("service", serviceNames...)
	if h.services[name] && rapid.Bool().Draw(h.rt, "delete") {
		h.services[name] = false
		h.say("delete service %s", name)
		return
	}
	h.putService(name)
}

func (h *history) node(*rapid.T) {
	h.say("node %s is %s", h.pick("node", "node-1", "node-2"), h.pick("is", "ready", "ready", "not ready", "silent"))
}

func (h *history) aws(*rapid.T) {
	action := h.pick("action", "register", "deregister", "deregister", "read", "everything")
	times := h.pick("times", "1", "2", "5")
	faults := []string{
		"AWS throttles " + action, "AWS answers " + action + " with InternalFailure", "AWS loses the answer to " + action,
		"AWS resets " + action, "AWS takes 3s more for " + action, "AWS takes 300ms more for " + action,
	}
	if h.kind != plain && action != "read" && action != "everything" {
		faults = append(faults, "AWS is late by 200ms with "+action, "AWS is late by 8s with "+action, "AWS is late by 20s with "+action)
	}
	if h.kind == audited {
		faults = append(faults, "AWS reads are stale by 5s")
	}
	h.say("%s %s times", h.pick("fault", faults...), times)
}

func (h *history) apiServer(*rapid.T) {
	switch h.pick("fault", "delay", "delay", "cut", "expire", "down", "recover") {
	case "delay":
		h.say("the API server delays %s by %s", h.pick("kind", "everything", "pods", "slices", "nodes", "services"), h.pick("by", "100ms", "2s", "15s"))
	case "cut":
		h.say("the API server cuts watches")
	case "expire":
		h.say("the API server forgets its events")
		h.say("the API server expires watches")
	case "down":
		h.say("the API server is %s", map[bool]string{true: "up", false: "down"}[h.down])
		h.down = !h.down
	default:
		h.say("the API server recovers")
	}
}

func (h *history) daemon(*rapid.T) {
	name := h.pick("replica", h.replicas...)
	if !h.running[name] {
		h.start(name)
		return
	}
	h.running[name] = false
	h.say("%s %s", h.pick("end", "stop", "kill"), name)
}

func (h *history) somebody(*rapid.T) {
	does := []string{"deregisters", "registers"}
	if h.refuses {
		does = does[:1]
	}
	h.say("somebody %s %s %s", h.pick("does", does...), h.pick("group", serviceNames...), h.pick("address", addressPool...))
}

// end lets everything recover and time pass; then AWS is as Kubernetes says, and
// nothing is called any more.
func (h *history) end() {
	h.say("AWS recovers")
	if h.down {
		h.say("the API server is up")
	}
	h.say("the API server recovers")
	if h.stopped {
		h.say("slices go on")
	}
	for _, name := range h.replicas {
		if !h.running[name] {
			h.start(name)
		}
	}
	h.say("wait 4m")
	h.say("settled")
	h.say("forget calls")
	h.say("no calls within 4m")
}
