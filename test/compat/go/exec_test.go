package compat

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	api "flintlock.test/compat/gen/services/microvm/v1alpha1"
	exec "flintlock.test/compat/gen/services/microvmexec/v1alpha1"
	sshproxy "flintlock.test/compat/gen/services/microvmsshproxy/v1alpha1"
)

// outcome is what a client has at the end of a stream that ended with an exit code.
type outcome struct {
	stdout, stderr string
	exitCode       int32
}

// run sends as upstream's clients do: the start, stdin if there is any, and no more.
func run(ctx context.Context, client exec.MicroVMExecClient, start *exec.ExecStart, stdin []byte) (outcome, error) {
	var seen outcome
	calls, err := client.ExecCommand(ctx)
	if err != nil {
		return seen, err
	}
	requests := []*exec.ExecCommandRequest{{Payload: &exec.ExecCommandRequest_Start{Start: start}}}
	if start.GetHasStdin() {
		requests = append(requests,
			&exec.ExecCommandRequest{Payload: &exec.ExecCommandRequest_Stdin{Stdin: stdin}},
			&exec.ExecCommandRequest{Payload: &exec.ExecCommandRequest_StdinEof{StdinEof: true}},
		)
	}
	for _, request := range requests {
		if err := calls.Send(request); err != nil {
			return seen, err
		}
	}
	if err := calls.CloseSend(); err != nil {
		return seen, err
	}
	for {
		response, err := calls.Recv()
		if errors.Is(err, io.EOF) {
			return seen, errors.New("the stream ended without an exit code")
		}
		if err != nil {
			return seen, err
		}
		switch payload := response.GetPayload().(type) {
		case *exec.ExecCommandResponse_Stdout:
			seen.stdout += string(payload.Stdout)
		case *exec.ExecCommandResponse_Stderr:
			seen.stderr += string(payload.Stderr)
		case *exec.ExecCommandResponse_Error:
			return seen, errors.New(payload.Error)
		case *exec.ExecCommandResponse_ExitCode:
			seen.exitCode = payload.ExitCode
			return seen, nil
		}
	}
}

// TestGuest boots one real guest and runs commands in it.
func TestGuest(t *testing.T) {
	connection := connect(t)
	machines, commands := api.NewMicroVMClient(connection), exec.NewMicroVMExecClient(connection)
	wanted := spec("guest")
	wanted.AllowGuestAgent = true
	uid := create(t, machines, wanted)

	// As battery does: try until the agent answers.
	ctx := within(t)
	for {
		_, err := run(ctx, commands, &exec.ExecStart{Uid: uid, Cmd: "true", Shell: true}, nil)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the guest is not ready: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
	}

	for name, one := range map[string]struct {
		start *exec.ExecStart
		stdin string
		want  outcome
	}{
		"a program with arguments": {
			start: &exec.ExecStart{Cmd: "echo", Args: []string{"a b", "c"}},
			want:  outcome{stdout: "a b c\n"},
		},
		"a shell, both streams, an exit code": {
			start: &exec.ExecStart{Cmd: "echo out; echo err >&2; exit 7", Shell: true},
			want:  outcome{stdout: "out\n", stderr: "err\n", exitCode: 7},
		},
		"a directory and the environment": {
			start: &exec.ExecStart{Cmd: `echo "$PWD $WORD"`, Shell: true, Cwd: "/tmp", Env: map[string]string{"WORD": "x"}},
			want:  outcome{stdout: "/tmp x\n"},
		},
		"stdin to its end": {
			start: &exec.ExecStart{Cmd: "cat", HasStdin: true},
			stdin: "in\x00put",
			want:  outcome{stdout: "in\x00put"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			one.start.Uid = uid
			got, err := run(within(t), commands, one.start, []byte(one.stdin))
			if err != nil || got != one.want {
				t.Errorf("got %+v, %v, not %+v", got, err, one.want)
			}
		})
	}

	if _, err := run(within(t), commands, &exec.ExecStart{Uid: "nobody", Cmd: "true"}, nil); err == nil {
		t.Error("a command in a microVM that is not there succeeds")
	}
}

// TestGuestServicesAreOff is a daemon without --enable-exec-api and --enable-ssh-proxy-api.
func TestGuestServicesAreOff(t *testing.T) {
	connection := connect(t)
	_, err := run(within(t), exec.NewMicroVMExecClient(connection), &exec.ExecStart{Uid: "x", Cmd: "true"}, nil)
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("exec answers %v", err)
	}
	calls, err := sshproxy.NewMicroVMSSHProxyClient(connection).SSHProxy(within(t))
	if err == nil {
		_ = calls.Send(&sshproxy.SSHProxyRequest{Payload: &sshproxy.SSHProxyRequest_Uid{Uid: "x"}})
		_, err = calls.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("the SSH proxy answers %v", err)
	}
}
