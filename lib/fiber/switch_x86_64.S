/*
 * switch_x86_64 - System V ABI: rbx, rbp, r12-r15, the SSE and x87 control words and the stack pointer
 * are all that a call has to preserve.
 *
 * A saved context, from its pointer up: mxcsr (4 bytes), x87 control word (4), r15, r14, r13, r12, rbx,
 * rbp, return address.
 */
	.text

/* void fiber_switch(void **from, void *to) */
	.globl	fiber_switch
	.hidden	fiber_switch
	.type	fiber_switch, @function
	.p2align 4
fiber_switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movl	(%rsp), %eax
	movzwl	4(%rsp), %ecx

	movq	%rsp, (%rdi)
	movq	%rsi, %rsp

	/* Loading a control word is slow, and nearly always it is the one that is there. */
	cmpl	(%rsp), %eax
	jne	.Lload_mxcsr
.Lmxcsr_is_right:
	cmpw	4(%rsp), %cx
	jne	.Lload_x87
.Lx87_is_right:
	.cfi_remember_state
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_restore_state
.Lload_mxcsr:
	ldmxcsr	(%rsp)
	jmp	.Lmxcsr_is_right
.Lload_x87:
	fldcw	4(%rsp)
	jmp	.Lx87_is_right
	.cfi_endproc
	.size	fiber_switch, . - fiber_switch

/* Where a new context begins: rbx = entry, r12 = its argument. */
	.type	fiber_begin, @function
	.p2align 4
fiber_begin:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	movq	%r12, %rdi
	call	*%rbx
	ud2
	.cfi_endproc
	.size	fiber_begin, . - fiber_begin

/* void *fiber_context(void *low, void *top, void (*entry)(void *), void *arg) */
	.globl	fiber_context
	.hidden	fiber_context
	.type	fiber_context, @function
	.p2align 4
fiber_context:
	.cfi_startproc
	endbr64
	movq	%rsi, %rax
	andq	$-16, %rax
	subq	$80, %rax
	stmxcsr	(%rax)
	movl	$0, 4(%rax)
	fnstcw	4(%rax)
	movq	$0, 8(%rax)
	movq	$0, 16(%rax)
	movq	$0, 24(%rax)
	movq	%rcx, 32(%rax)
	movq	%rdx, 40(%rax)
	movq	$0, 48(%rax)
	leaq	fiber_begin(%rip), %rdx
	movq	%rdx, 56(%rax)
	movq	$0, 64(%rax)
	movq	$0, 72(%rax)
	ret
	.cfi_endproc
	.size	fiber_context, . - fiber_context

	.section .note.GNU-stack, "", @progbits

/* Every indirect branch target here begins with endbr64. */
	.section .note.gnu.property, "a", @note
	.p2align 3
	.long	4
	.long	16
	.long	5
	.asciz	"GNU"
	.long	0xc0000002
	.long	4
	.long	1
	.long	0
