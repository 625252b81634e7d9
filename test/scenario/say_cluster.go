package scenario

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// service reads "service web port http 80 -> 8080 port admin 81 -> 9090 OPTION...": a
// port's name may be left out.
func (p *player) service(ctx context.Context, v values) error {
	s := service{name: v["NAME"]}
	for text := range strings.SplitSeq(" port "+v["PORTS"], " port ") {
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		arrow := slices.Index(words, "->")
		if arrow != 1 && arrow != 2 || len(words) < arrow+2 {
			return fmt.Errorf("a port is [NAME] NUMBER -> NUMBER-OR-NAME, not %q", text)
		}
		number, err := strconv.ParseInt(words[arrow-1], 10, 32)
		if err != nil {
			return err
		}
		port := servicePort{port: int32(number), to: intstr.Parse(words[arrow+1])}
		if arrow == 2 {
			port.name = words[0]
		}
		s.ports = append(s.ports, port)
		if err := s.setOption(strings.Join(words[arrow+2:], " ")); err != nil {
			return err
		}
	}
	return p.world.cluster.putService(ctx, s.object())
}

func (s *service) setOption(text string) error {
	switch text {
	case "":
	case "publishing unready addresses":
		s.publishNotReady = true
	case "without selector":
		s.noSelector = true
	case "dual stack":
		s.dualStack = true
	default:
		return fmt.Errorf("no Service is %q", text)
	}
	return nil
}

func (p *player) deleteService(ctx context.Context, v values) error {
	return p.world.cluster.deleteService(ctx, v["NAME"])
}

// selectBy makes a Service select the pods of another name: no pod at all, mostly.
func (p *player) selectBy(ctx context.Context, v values) error {
	old := p.world.cluster.services[v["NAME"]]
	if old == nil {
		return fmt.Errorf("there is no Service %s", v["NAME"])
	}
	o := old.DeepCopy()
	o.Spec.Selector = map[string]string{inService + v["SELECTOR"]: "yes"}
	return p.world.cluster.putService(ctx, o)
}

func (p *player) pod(ctx context.Context, v values) error {
	o := pod{name: v["NAME"], services: strings.Split(v["SERVICES"], ","), ips: strings.Split(v["ADDRESSES"], ","), node: v["NODE"]}
	if err := o.setState(v["STATE"]); err != nil {
		return err
	}
	return p.world.cluster.addPod(ctx, o)
}

// pods makes pods whose names are numbered and whose addresses follow each other.
func (p *player) pods(ctx context.Context, v values) error {
	var n int
	if err := v.count(&n); err != nil {
		return err
	}
	ip, err := netip.ParseAddr(v["ADDRESS"])
	if err != nil {
		return err
	}
	services := strings.Split(v["SERVICES"], ",")
	for i := range n {
		o := pod{name: fmt.Sprintf("%s-%d", services[0], i+1), services: services, ips: []string{ip.String()}, node: v["NODE"]}
		if err := o.setState(v["STATE"]); err != nil {
			return err
		}
		if err := p.world.cluster.addPod(ctx, o); err != nil {
			return err
		}
		ip = ip.Next()
	}
	return nil
}

// setState reads "ready", "starting", "gated by GATE", "with PORT=NUMBER", "host-network",
// one after the other.
func (o *pod) setState(text string) error {
	if o.node == "" {
		o.node = firstNode
	}
	text = strings.ReplaceAll(text, "gated by ", "gated-by=")
	text = strings.ReplaceAll(text, "with ", "port=")
	for word := range strings.FieldsSeq(text) {
		kind, value, _ := strings.Cut(word, "=")
		switch kind {
		case "ready":
			o.containersReady = true
		case "starting":
		case "host-network":
			o.hostNetwork = true
		case "gated-by":
			o.gates = append(o.gates, value)
		case "port":
			name, number, _ := strings.Cut(value, "=")
			n, err := strconv.ParseInt(number, 10, 32)
			if err != nil {
				return err
			}
			o.ports = map[string]int32{name: int32(n)}
		default:
			return fmt.Errorf("no pod is %q", word)
		}
	}
	return nil
}

var podRange = regexp.MustCompile(`^(.*-)(\d+)\.\.(\d+)$`)

// podNames reads the names of pods; "web-1..20" are twenty.
func podNames(text string) []string {
	var names []string
	for name := range strings.FieldsSeq(text) {
		m := podRange.FindStringSubmatch(name)
		if m == nil {
			names = append(names, name)
			continue
		}
		first, _ := strconv.Atoi(m[2]) // digits, by the expression
		last, _ := strconv.Atoi(m[3])
		for n := first; n <= last; n++ {
			names = append(names, m[1]+strconv.Itoa(n))
		}
	}
	return names
}

// eachPod does something to every pod that is named, one after the other: no two events
// of the world share an instant, and the daemons see each before the next one happens.
func eachPod(names string, do func(name string) error) error {
	for _, name := range podNames(names) {
		if err := do(name); err != nil {
			return err
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
	}
	return nil
}

// report lets the kubelet report a condition of pods.
func (p *player) report(ctx context.Context, pods string, typ corev1.PodConditionType, is bool) error {
	return eachPod(pods, func(name string) error {
		return p.world.cluster.changePod(ctx, name, func(o *corev1.Pod) { setCondition(o, typ, is) })
	})
}

func (p *player) ready(ctx context.Context, v values) error {
	return p.report(ctx, v["PODS"], corev1.ContainersReady, true)
}

func (p *player) unready(ctx context.Context, v values) error {
	return p.report(ctx, v["PODS"], corev1.ContainersReady, false)
}

func (p *player) openGate(ctx context.Context, v values) error {
	return p.report(ctx, v["PODS"], corev1.PodConditionType(v["GATE"]), true)
}

func (p *player) terminate(ctx context.Context, v values) error {
	return eachPod(v["PODS"], func(name string) error { return p.world.cluster.terminatePod(ctx, name) })
}

func (p *player) remove(ctx context.Context, v values) error {
	return eachPod(v["PODS"], func(name string) error { return p.world.cluster.removePod(ctx, name) })
}

// finish ends the containers of pods, which stay as they are.
func (p *player) finish(ctx context.Context, v values) error {
	return eachPod(v["PODS"], func(name string) error {
		return p.world.cluster.changePod(ctx, name, func(o *corev1.Pod) {
			o.Status.Phase = corev1.PodSucceeded
			setCondition(o, corev1.ContainersReady, false)
		})
	})
}

// replace makes a pod of the same name and address in the place of another, as a
// StatefulSet with sticky addresses does.
func (p *player) replace(ctx context.Context, v values) error {
	old, err := p.world.cluster.pod(v["POD"])
	if err != nil {
		return err
	}
	o := pod{name: old.Name, node: old.Spec.NodeName}
	for label := range maps.Keys(old.Labels) {
		if name, ok := strings.CutPrefix(label, inService); ok {
			o.services = append(o.services, name)
		}
	}
	for _, ip := range old.Status.PodIPs {
		o.ips = append(o.ips, ip.IP)
	}
	if err := o.setState(v["STATE"]); err != nil {
		return err
	}
	if err := p.world.cluster.removePod(ctx, old.Name); err != nil {
		return err
	}
	return p.world.cluster.addPod(ctx, o)
}

func (p *player) node(ctx context.Context, v values) error {
	states := map[string]corev1.ConditionStatus{
		"ready": corev1.ConditionTrue, "not ready": corev1.ConditionFalse, "silent": corev1.ConditionUnknown,
	}
	status, ok := states[v["STATE"]]
	switch {
	case ok:
		return p.world.cluster.setNode(ctx, v["NAME"], status)
	case v["STATE"] == "gone":
		return p.world.cluster.removeNode(ctx, v["NAME"])
	}
	return fmt.Errorf("a node is ready, not ready, silent or gone, not %q", v["STATE"])
}

func (p *player) slicesLag(_ context.Context, v values) error {
	return v.duration(&p.world.cluster.controller.lag)
}

func (p *player) slicesStop(context.Context, values) error {
	p.world.cluster.controller.stopped = true
	return nil
}

func (p *player) slicesGoOn(context.Context, values) error {
	p.world.cluster.controller.stopped = false
	return nil
}

// slice makes an EndpointSlice by hand, of endpoints that have no pod.
func (p *player) slice(ctx context.Context, v values) error {
	number, err := strconv.ParseInt(v["PORT"], 10, 32)
	if err != nil {
		return err
	}
	o := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: v["NAME"], Labels: map[string]string{discoveryv1.LabelServiceName: v["SERVICE"]}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new(""), Protocol: new(corev1.ProtocolTCP), Port: new(int32(number))}},
	}
	for ip := range strings.FieldsSeq(v["ADDRESSES"]) {
		o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{Addresses: []string{ip}})
	}
	return p.world.cluster.putSlice(ctx, o)
}

func (p *player) deleteSlice(ctx context.Context, v values) error {
	return p.world.cluster.deleteSlice(ctx, v["NAME"])
}

// apply writes the objects of a file of the archive.
func (p *player) apply(ctx context.Context, v values) error {
	text, ok := p.script.files[v["FILE"]]
	if !ok {
		return fmt.Errorf("the scenario has no file %s", v["FILE"])
	}
	for one := range strings.SplitSeq(text, "\n---\n") {
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(one), nil, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", v["FILE"], err)
		}
		if err := p.put(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", v["FILE"], err)
		}
	}
	return nil
}

func (p *player) put(ctx context.Context, o runtime.Object) error {
	switch o := o.(type) {
	case *corev1.Service:
		return p.world.cluster.putService(ctx, o)
	case *discoveryv1.EndpointSlice:
		return p.world.cluster.putSlice(ctx, o)
	default:
		return fmt.Errorf("a %T is not written by hand", o)
	}
}

func (p *player) wait(ctx context.Context, v values) error {
	var d time.Duration
	if err := v.duration(&d); err != nil {
		return err
	}
	return p.world.Pass(ctx, d)
}
