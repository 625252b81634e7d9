package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/test/playground"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		args       []string
		useCluster string
		kubeconfig string
		want       playground.Options
		err        string
	}{
		"demo":                    {args: []string{"demo"}, want: playground.Options{BinDir: "bin"}},
		"directories":             {args: []string{"up", "-bin", "b", "-dir", "d"}, want: playground.Options{BinDir: "b", Dir: "d"}},
		"a kubeconfig by chance":  {args: []string{"up"}, kubeconfig: "/k", want: playground.Options{BinDir: "bin"}},
		"a kubeconfig by flag":    {args: []string{"up", "-use-kubeconfig"}, kubeconfig: "/k", want: playground.Options{BinDir: "bin", Kubeconfig: "/k"}},
		"a kubeconfig by setting": {args: []string{"up"}, useCluster: "1", kubeconfig: "/k", want: playground.Options{BinDir: "bin", Kubeconfig: "/k"}},
		"no kubeconfig":           {args: []string{"up", "-use-kubeconfig"}, err: "KUBECONFIG names no cluster"},
		"nothing":                 {err: flag.ErrHelp.Error()},
		"another word":            {args: []string{"down"}, err: flag.ErrHelp.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(ownClusterVariable, tc.useCluster)
			t.Setenv("KUBECONFIG", tc.kubeconfig)
			got, _, err := parse(tc.args)
			if tc.err != "" {
				require.EqualError(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			got.Log = nil
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAwaitSaysWhatWasMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		require.NoError(t, await(t.Context(), "the third try", func(context.Context) error {
			if tries++; tries < 3 {
				return errors.New("not yet")
			}
			return nil
		}))
		require.Equal(t, 3, tries)

		err := await(t.Context(), "a miracle", func(context.Context) error { return errors.New("none came") })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "a miracle")
		require.ErrorContains(t, err, "none came")
	})
}

func TestHealthy(t *testing.T) {
	target := func(ip, state string) playground.Target {
		return playground.Target{ID: ip, Port: 8000, State: state}
	}
	both := []playground.Target{target("10.1.0.2", "healthy"), target("10.1.0.1", "healthy"), target("10.1.0.3", "draining")}
	require.NoError(t, healthy(both, []string{"10.1.0.1:8000", "10.1.0.2:8000"}))
	require.Error(t, healthy(both, []string{"10.1.0.1:8000"}), "one too many")
	require.Error(t, healthy(both[:1], []string{"10.1.0.1:8000", "10.1.0.2:8000"}), "one too few")
	require.ErrorContains(t, healthy([]playground.Target{target("10.1.0.1", "initial")}, []string{"10.1.0.1:8000"}), "initial")
}

func TestRulesInWords(t *testing.T) {
	forward := func(groups ...string) []playground.Action {
		return []playground.Action{{Type: "forward", TargetGroups: groups}}
	}
	path := playground.Condition{Field: "path-pattern", PathPatterns: []string{"/echo0", "/echo0/*"}}
	host := playground.Condition{Field: "host-header", Values: []string{"echo0.host.com"}}
	v := view{
		rules:  []playground.Rule{{Actions: forward("arn:0")}},
		groups: map[string]string{"arn:0": "k8s-demo0-echo0-0123456789", "arn:1": "somebody's"},
	}
	for name, tc := range map[string]struct {
		rule playground.Rule
		want rule
	}{
		"path":           {playground.Rule{Conditions: []playground.Condition{path}, Actions: forward("arn:0")}, pathRule("echo0")},
		"host and path":  {playground.Rule{Conditions: []playground.Condition{path, host}, Actions: forward("arn:0")}, hostRule("echo0.host.com", "echo0")},
		"default":        {playground.Rule{Actions: []playground.Action{{Type: "fixed-response", StatusCode: "404"}}}, rule{"", "404"}},
		"foreign group":  {playground.Rule{Actions: forward("arn:1")}, rule{"", "somebody's"}},
		"two groups":     {playground.Rule{Actions: forward("arn:0", "arn:1")}, rule{"", ""}},
		"without action": {playground.Rule{}, rule{"", "0 actions"}},
	} {
		require.Equal(t, tc.want, v.inWords(tc.rule), name)
	}
	arn, err := v.group("echo0")
	require.NoError(t, err)
	require.Equal(t, "arn:0", arn)
	_, err = v.group("echo1")
	require.Error(t, err)
}

func TestAnswerHead(t *testing.T) {
	a := answer{raw: "HTTP/1.1 200 OK\nDate: Wed, 07 Aug 2024 13:51:53 GMT\nServer: x\n\nDate: body\n"}
	require.Equal(t, []string{"HTTP/1.1 200 OK", "Date: ...", "Server: x"}, a.head())
}

func TestFirstRule(t *testing.T) {
	var ingress networkingv1.Ingress
	host, path := firstRule(&ingress)
	require.Equal(t, []string{"", "/"}, []string{host, path})

	ingress.Spec.Rules = []networkingv1.IngressRule{{Host: "a.b", IngressRuleValue: networkingv1.IngressRuleValue{
		HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/c"}}},
	}}}
	host, path = firstRule(&ingress)
	require.Equal(t, []string{"-H 'Host: a.b' ", "/c"}, []string{host, path})
}

func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out}
	s.headline("First")
	s.say("%d words", 2)
	s.table([][]string{{"A", "B"}, {"longer", "b"}})
	require.Equal(t, "\n━━ 1. First\n# 2 words\nA        B\nlonger   b\n", out.String())

	out.Reset()
	s.colour = true
	s.command("ls")
	require.Equal(t, "\x1b[36m$ ls\x1b[0m\n", out.String())
}
