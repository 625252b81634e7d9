package awssim

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// ask performs one call of either service and returns the answer's body without
// the request's ID.
func ask(t *testing.T, s *Sim, query string) string {
	t.Helper()
	answer, err := s.answer(requestFor(t, query))
	require.NoError(t, err)
	return requestIDs.ReplaceAllString(string(answer.body), "")
}

func requestFor(t *testing.T, query string) *http.Request {
	t.Helper()
	form, err := url.ParseQuery(query)
	require.NoError(t, err)
	svc := elbService
	if _, ok := ec2Service.operations[form.Get("Action")]; ok && form.Get("Action") != "DescribeTags" {
		svc = ec2Service
	}
	form.Set("Version", svc.version)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://aws.test/", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID")
	return req
}

var requestIDs = regexp.MustCompile(`<(?i:requestid)>[^<]*</`)

func arnIn(t *testing.T, body, resource string) string {
	t.Helper()
	arn := regexp.MustCompile(`arn:aws:elasticloadbalancing:[^<]*:` + resource + `/[^<]*`).FindString(body)
	require.NotEmpty(t, arn, body)
	return arn
}

// furnished is an account with one of everything, and the reads that show it.
func furnished(t *testing.T, o Options) (s *Sim, group string, reads []string) {
	t.Helper()
	s = newSim(t, o)
	sg := regexp.MustCompile(`sg-\w+`).FindString(ask(t, s, "Action=CreateSecurityGroup&GroupName=g&GroupDescription=d&VpcId=vpc-1"))
	lb := arnIn(t, ask(t, s, "Action=CreateLoadBalancer&Name=demo&Subnets.member.1=subnet-a&Subnets.member.2=subnet-b&SecurityGroups.member.1="+sg), "loadbalancer")
	group = arnIn(t, ask(t, s, "Action=CreateTargetGroup&Name=echo&Protocol=HTTP&Port=8080&VpcId=vpc-1&TargetType=ip"), "targetgroup")
	listener := arnIn(t, ask(t, s, "Action=CreateListener&Port=80&Protocol=HTTP&LoadBalancerArn="+lb+
		"&DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn="+group), "listener")
	ask(t, s, "Action=CreateRule&Priority=1&Conditions.member.1.Field=path-pattern&Conditions.member.1.Values.member.1=/x&ListenerArn="+listener+
		"&Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn="+group)
	ask(t, s, "Action=RegisterTargets&Targets.member.1.Id=10.0.1.1&TargetGroupArn="+group)
	return s, group, []string{
		"Action=DescribeLoadBalancers", "Action=DescribeTargetGroups", "Action=DescribeListeners&LoadBalancerArn=" + lb,
		"Action=DescribeRules&ListenerArn=" + listener, "Action=DescribeTargetHealth&TargetGroupArn=" + group,
		"Action=DescribeTags&ResourceArns.member.1=" + lb, "Action=DescribeTargetGroupAttributes&TargetGroupArn=" + group,
		"Action=DescribeLoadBalancerAttributes&LoadBalancerArn=" + lb, "Action=DescribeListenerAttributes&ListenerArn=" + listener,
		"Action=DescribeSecurityGroups", "Action=DescribeSecurityGroupRules", "Action=DescribeNetworkInterfaces",
		"Action=DescribeSubnets", "Action=DescribeVpcs",
	}
}

// changes touch everything that an account can hold.
func changes(reads []string, group string) []string {
	lb := strings.TrimPrefix(reads[2], "Action=DescribeListeners&LoadBalancerArn=")
	listener := strings.TrimPrefix(reads[3], "Action=DescribeRules&ListenerArn=")
	return []string{
		"Action=DeregisterTargets&Targets.member.1.Id=10.0.1.1&TargetGroupArn=" + group,
		"Action=RegisterTargets&Targets.member.1.Id=10.0.1.2&TargetGroupArn=" + group,
		"Action=ModifyTargetGroup&HealthCheckPath=/new&TargetGroupArn=" + group,
		"Action=ModifyTargetGroupAttributes&Attributes.member.1.Key=deregistration_delay.timeout_seconds&Attributes.member.1.Value=9&TargetGroupArn=" + group,
		"Action=AddTags&ResourceArns.member.1=" + lb + "&Tags.member.1.Key=k&Tags.member.1.Value=v",
		"Action=ModifyLoadBalancerAttributes&Attributes.member.1.Key=idle_timeout.timeout_seconds&Attributes.member.1.Value=9&LoadBalancerArn=" + lb,
		"Action=CreateTags&ResourceId.1=vpc-1&Tag.1.Key=k&Tag.1.Value=v",
		"Action=CreateTags&ResourceId.1=subnet-a&Tag.1.Key=k&Tag.1.Value=v",
		"Action=CreateSecurityGroup&GroupName=h&GroupDescription=d&VpcId=vpc-1",
		"Action=DeleteListener&ListenerArn=" + listener,
		"Action=DeleteLoadBalancer&LoadBalancerArn=" + lb,
	}
}

// A stale read answers what a read some time ago was answered, whatever happened
// since.
func TestStaleReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, group, reads := furnished(t, Options{})
		time.Sleep(time.Hour)
		var before []string
		for _, read := range reads {
			before = append(before, ask(t, s, read))
		}
		stale := s.Inject(Fault{Stale: Span{Min: 10 * time.Second}})
		time.Sleep(time.Second)
		for _, change := range changes(reads, group) {
			require.NotContains(t, ask(t, s, change), "<Error>", change)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(9900 * time.Millisecond)
		for i, read := range reads {
			require.Equal(t, before[i], ask(t, s, read), read)
		}
		require.Equal(t, len(reads), stale.Hits(), "reads alone")
		time.Sleep(time.Second)
		for i, read := range reads {
			require.NotEqual(t, before[i], ask(t, s, read), read)
		}
	})
}

// The targets are those of some time ago, step by step, health and drains included.
func TestStaleTargetHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &PipeNet{}
		s, group, _ := furnished(t, Options{Listen: network.Listen, Dial: network.Dial, Switches: Switches{FirstCheckWithin: time.Second}})
		start(t, s)
		startPod(t, network, "10.0.1.1:8080", says("pod"))
		s.Inject(Fault{Action: "DescribeTargetHealth", Stale: Span{Min: 20 * time.Second}})
		state := func() string {
			found := regexp.MustCompile(`<State>(\w*)</State>`).FindStringSubmatch(ask(t, s, "Action=DescribeTargetHealth&TargetGroupArn="+group))
			if found == nil {
				return ""
			}
			return found[1]
		}
		ask(t, s, "Action=ModifyTargetGroupAttributes&Attributes.member.1.Key=deregistration_delay.timeout_seconds&Attributes.member.1.Value=5&TargetGroupArn="+group)
		synctest.Wait()
		time.Sleep(10 * time.Second)
		require.Equal(t, "healthy", s.Targets(group)[0].State)
		require.Equal(t, "initial", state(), "no older than the fault")
		ask(t, s, "Action=DeregisterTargets&Targets.member.1.Id=10.0.1.1&TargetGroupArn="+group)
		require.Equal(t, "draining", s.Targets(group)[0].State)
		time.Sleep(19 * time.Second)
		require.Empty(t, s.Targets(group))
		for _, want := range []struct {
			after time.Duration
			state string
		}{{0, "healthy"}, {time.Second - 1, "healthy"}, {1, "draining"}, {5*time.Second - 1, "draining"}, {1, ""}} {
			time.Sleep(want.after)
			require.Equal(t, want.state, state(), want.after)
		}
	})
}

// What changes by itself as time passes, without a call, is of the past too.
func TestStaleReadsOfWhatTimeChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, Options{Switches: Switches{
			ReadAfterCreate: 2 * time.Second, ProvisioningTime: 4 * time.Second, InterfaceLinger: 3 * time.Second,
		}})
		s.Inject(Fault{Stale: Span{Min: 10 * time.Second}})
		const balancers, interfaces = "Action=DescribeLoadBalancers", "Action=DescribeNetworkInterfaces"
		time.Sleep(time.Minute)
		lb := arnIn(t, ask(t, s, "Action=CreateLoadBalancer&Name=demo&Subnets.member.1=subnet-a&Subnets.member.2=subnet-b"), "loadbalancer")
		time.Sleep(12*time.Second - 1)
		require.NotContains(t, ask(t, s, balancers), lb)
		time.Sleep(1)
		require.Contains(t, ask(t, s, balancers), "<Code>provisioning</Code>")
		time.Sleep(2*time.Second - 1)
		require.Contains(t, ask(t, s, balancers), "<Code>provisioning</Code>")
		time.Sleep(1)
		require.Contains(t, ask(t, s, balancers), "<Code>active</Code>")

		ask(t, s, "Action=DeleteLoadBalancer&LoadBalancerArn="+lb)
		time.Sleep(13*time.Second - 1)
		require.Contains(t, ask(t, s, interfaces), "ELB app/demo")
		require.NotContains(t, ask(t, s, balancers), lb)
		time.Sleep(1)
		require.NotContains(t, ask(t, s, interfaces), "ELB app/demo")
	})
}

// A drain that ends with its last request was over by then, and not before.
func TestStaleReadsOfADrainThatEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &PipeNet{}
		s, group, reads := furnished(t, Options{Listen: network.Listen, Dial: network.Dial, Switches: Switches{CompleteDrainEarly: true}})
		start(t, s)
		startPod(t, network, "10.0.1.1:8080", func(http.ResponseWriter, *http.Request) { time.Sleep(7 * time.Second) })
		var dnsName string
		for _, lb := range s.loadBalancers {
			dnsName = lb.dnsName
		}
		synctest.Wait()
		client := clientOf(t, s)
		go func() {
			if resp, err := client.Get("http://" + dnsName + "/"); err == nil {
				_ = resp.Body.Close()
			}
		}()
		synctest.Wait()
		s.Inject(Fault{Stale: Span{Min: 10 * time.Second}})
		ask(t, s, "Action=DeregisterTargets&Targets.member.1.Id=10.0.1.1&TargetGroupArn="+group)
		health := reads[4]
		time.Sleep(7 * time.Second)
		synctest.Wait()
		require.Empty(t, s.Targets(group))
		time.Sleep(10*time.Second - 1)
		require.Contains(t, ask(t, s, health), "<State>draining</State>")
		time.Sleep(1)
		require.NotContains(t, ask(t, s, health), "<State>")
	})
}

// Nothing is remembered without need, and a fault that hits once still finds what
// it looks for.
func TestPastIsKeptOnlyForStaleReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, group, _ := furnished(t, Options{Latency: time.Second})
		require.Empty(t, s.past.versions)
		once := s.Inject(Fault{Action: "DescribeTargetHealth", Times: 1, Stale: Span{Min: time.Minute}})
		ask(t, s, "Action=DeregisterTargets&Targets.member.1.Id=10.0.1.1&TargetGroupArn="+group)
		health := "Action=DescribeTargetHealth&TargetGroupArn=" + group
		require.Contains(t, ask(t, s, health), "<State>initial</State>")
		require.Contains(t, ask(t, s, health), "<State>draining</State>")
		for i := range 300 {
			ask(t, s, fmt.Sprintf("Action=RegisterTargets&Targets.member.1.Id=10.0.2.%d&TargetGroupArn=%s", i%250, group))
		}
		require.InDelta(t, 60, len(s.past.versions), 2, "a minute of changes, one a second")
		once.Clear()
		require.Empty(t, s.past.versions)
	})
}

// A version of the account shares nothing that changes with the next one: a field
// that is added to the model and not to the copy fails here.
func TestCloneSharesNothing(t *testing.T) {
	s, group, reads := furnished(t, Options{})
	for _, change := range changes(reads, group)[:9] {
		ask(t, s, change)
	}
	tagged := map[string]string{"k": "v"}
	g := s.targetGroups[group]
	g.tags = tagsOf(tagged)
	for _, r := range g.targets {
		r.flights = map[*flight]struct{}{{}: {}}
		g.leaving = append(g.leaving, r)
	}
	for _, r := range s.rules {
		r.credit, r.tags = map[*targetGroup]int{g: 1}, tagsOf(tagged)
	}
	for _, l := range s.listeners {
		l.certificates, l.tags = []string{"arn"}, tagsOf(tagged)
	}
	for _, sg := range s.securityGroups {
		sg.ingress, sg.egress, sg.tags = []ipPermission{{}}, []ipPermission{{}}, tagsOf(tagged)
	}
	for _, n := range s.interfaces {
		n.securityGroups = []string{"sg"}
	}
	original, cloned := map[uintptr]string{}, map[uintptr]string{}
	walk(reflect.ValueOf(s.account), "account", original)
	walk(reflect.ValueOf(cloneOf(s.account)), "account", cloned)
	require.Greater(t, len(original), 30)
	for pointer, path := range cloned {
		require.NotContains(t, original, pointer, path)
	}
}

// fixed are the types whose values never change once they are made.
var fixed = map[reflect.Type]bool{
	reflect.TypeFor[time.Time]():     true,
	reflect.TypeFor[fixedResponse](): true,
	reflect.TypeFor[[]condition]():   true,
	reflect.TypeFor[flight]():        true,
}

// walk collects where v's maps, slices and pointers lead.
func walk(v reflect.Value, path string, into map[uintptr]string) {
	if fixed[v.Type()] || strings.HasPrefix(v.Type().PkgPath(), "net/netip") {
		return
	}
	if leads(v) {
		if _, seen := into[v.Pointer()]; seen {
			return
		}
		into[v.Pointer()] = path
	}
	descend(v, path, into)
}

func descend(v reflect.Value, path string, into map[uintptr]string) {
	switch v.Kind() {
	case reflect.Pointer:
		if leads(v) {
			walk(v.Elem(), path, into)
		}
	case reflect.Map:
		for key, value := range v.Seq2() {
			walk(key, path+".key", into)
			walk(value, path+"[]", into)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), path+"[]", into)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, into)
		}
	default:
	}
}

// leads tells whether v refers to something that may change.
func leads(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && !fixed[v.Type().Elem()]
	case reflect.Map:
		return !v.IsNil()
	case reflect.Slice:
		return v.Cap() > 0
	default:
		return false
	}
}
