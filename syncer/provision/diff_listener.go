package provision

import (
	"context"
	"fmt"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

// diffListeners makes listeners and their default actions.
func diffListeners(m *ingress.Model, st *stack) []step {
	b := st.balancer(m.LoadBalancer.Scheme)
	var steps []step
	for i := range m.LoadBalancer.Listeners {
		want := &m.LoadBalancer.Listeners[i]
		actions, err := st.actions(m, want.DefaultAction)
		have := b.listeners[want.Port]
		switch {
		case have == nil:
			steps = append(steps, createListener{b, want, actions, err})
		case have.Protocol != want.Protocol || err != nil || actionsKey(have.DefaultActions) != actionsKey(actions):
			steps = append(steps, modifyListener{have, want.Protocol, actions, err})
		}
	}
	return steps
}

type createListener struct {
	balancer   *balancer
	want       *ingress.Listener
	actions    []awsapi.Action
	unresolved error // of the actions
}

func (s createListener) String() string {
	return fmt.Sprintf("create listener %d of load balancer %s", s.want.Port, s.balancer.Name)
}

func (s createListener) do(ctx context.Context, x *executor) error {
	l, err := awsapi.Listener{}, s.unresolved
	if err == nil {
		l, err = x.elb.CreateListener(ctx, awsapi.Listener{
			LoadBalancerARN: s.balancer.ARN, Port: s.want.Port, Protocol: s.want.Protocol,
			DefaultActions: s.actions, Tags: s.want.Tags,
		})
	}
	if err != nil {
		return fmt.Errorf("listener %d: %w", s.want.Port, err)
	}
	l.Port, l.Protocol, l.DefaultActions = s.want.Port, s.want.Protocol, s.actions
	s.balancer.listeners[l.Port] = &listener{Listener: l}
	return nil
}

type modifyListener struct {
	listener   *listener
	protocol   string
	actions    []awsapi.Action
	unresolved error // of the actions
}

func (s modifyListener) String() string {
	return fmt.Sprintf("change protocol or default action of listener %d", s.listener.Port)
}

func (s modifyListener) do(ctx context.Context, x *executor) error {
	err := s.unresolved
	if err == nil {
		err = x.elb.ModifyListener(ctx, awsapi.Listener{
			ARN: s.listener.ARN, LoadBalancerARN: s.listener.LoadBalancerARN, Port: s.listener.Port,
			Protocol: s.protocol, DefaultActions: s.actions,
		})
	}
	if err != nil {
		return fmt.Errorf("listener %d: %w", s.listener.Port, err)
	}
	s.listener.Protocol, s.listener.DefaultActions = s.protocol, s.actions
	return nil
}

type deleteListener struct {
	balancer *balancer
	listener *listener
}

func (s deleteListener) String() string {
	return fmt.Sprintf("delete listener %d of load balancer %s", s.listener.Port, s.balancer.Name)
}

func (s deleteListener) do(ctx context.Context, x *executor) error {
	if err := x.elb.DeleteListener(ctx, s.listener.ARN); err != nil {
		return fmt.Errorf("listener %d: %w", s.listener.Port, err)
	}
	delete(s.balancer.listeners, s.listener.Port)
	return nil
}
